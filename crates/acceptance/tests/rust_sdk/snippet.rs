//! What the console prints for Rust when a token was made. Its template is compiled and run as it stands, between two lines of a function: `{{ http }}` is
//! a block that gives `http` to Rust, too. How values are spelled is tested beside the template's own code.

use std::error::Error;

use serde_json::{Value, json};
use tollgate_testkit::Server;

use crate::{client, next_message, room, soon, token};

/// Where the console has it.
const TEMPLATE: &str = include_str!("../../../console/templates/snippets/rust.txt");

#[rustfmt::skip]
#[allow(unused_braces, clippy::print_stdout)]
async fn as_printed(http: &str, project: &str, token: String, channel: &str) -> Result<(), Box<dyn Error>> {
// <template>
use tollgate_client::{Client, Event};
let client = Client::builder({{ http }}, {{ project }}).token({{ token }}).connect().await?;
let mut room = client.subscribe({{ channel }}).await?;
client.publish({{ channel }}, "said", "hello").await?;
while let Some(event) = room.next().await {
    if let Event::Message(message) = event {
        let text: String = message.data.read()?;
        println!("{text}");
    }
}
// </template>
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_snippet_of_a_token_that_was_just_made_says_hello_and_listens_until_its_end() {
    let (_, own) = include_str!("snippet.rs").split_once("// <template>\n").unwrap();
    let (own, _) = own.split_once("// </template>\n").unwrap();
    let (_uses, printed) = TEMPLATE.split_once('\n').unwrap();
    assert_eq!(own, printed, "what is run here is not what the console prints");

    let server = Server::start();
    room(&server, "private", &json!({}));
    let made = server.v2("POST", "/v2/tokens", &json!({"user_id": "ann", "channels": ["room"]}));
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap().to_owned());
    server.remember(&secret);
    let ben = soon("a connection", client(&server).token(token(&server, "ben")).connect()).await.unwrap();
    let mut heard = soon("to be in", ben.subscribe("room")).await.unwrap();
    let hearing = async {
        assert_eq!(next_message(&mut heard).await, json!("hello"));
        // It listens until its token is gone.
        let path = format!("/v2/tokens/{id}");
        tokio::task::block_in_place(|| server.v2("DELETE", &path, &Value::Null));
    };
    let url = format!("http://{}", server.addr);
    let saying = as_printed(&url, &server.project, secret, "room");
    let (said, ()) = tokio::join!(soon("its end", saying), hearing);
    said.unwrap();
    ben.close().await;
}
