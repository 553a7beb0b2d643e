//! JSON Web Tokens at every door, with keys and signatures that Node's crypto made: those of a registered issuer, and our own verified by
//! Node from the published key set. What must never be believed is tried by hand: foreign keys, foreign algorithms, and whatever a header points to.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use tollgate_testkit::receiver::{Answer, Receiver};
use tollgate_testkit::{Http, Reply, Server, Setup, until};

const ISSUER: &str = "https://login.example/";
/// An issuer's keys may be fetched from this machine.
const PRIVATE: &str = "[outbound]\nallow_private = true\nallow_http = true\n";

/// What Node does for us: `keys` makes a pair of JWKs, `sign` a JWT, `verify` looks at one of ours by a key set.
const NODE: &str = r#"
const crypto = require('node:crypto');
const input = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const b64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const digest = { ES256: 'sha256', RS256: 'sha256', EdDSA: null, HS256: 'sha256' };
const done = (value) => process.stdout.write(JSON.stringify(value));
if (input.keys) {
  const pair = input.keys === 'RS256' ? crypto.generateKeyPairSync('rsa', { modulusLength: 2048 })
    : input.keys === 'ES256' ? crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }) : crypto.generateKeyPairSync('ed25519');
  const own = { kid: input.kid, alg: input.keys, use: 'sig' };
  done({ secret: pair.privateKey.export({ format: 'jwk' }), public: { ...pair.publicKey.export({ format: 'jwk' }), ...own },
    pem: pair.publicKey.export({ format: 'pem', type: 'spki' }) });
} else if (input.sign) {
  const { header, claims, key, hmac } = input.sign;
  const signed = `${b64(header)}.${b64(claims)}`;
  const signature = hmac !== undefined ? crypto.createHmac('sha256', hmac).update(signed).digest()
    : crypto.sign(digest[input.sign.with ?? header.alg], Buffer.from(signed),
      { key: crypto.createPrivateKey({ key, format: 'jwk' }), dsaEncoding: 'ieee-p1363' });
  done(`${signed}.${signature.toString('base64url')}`);
} else {
  const [header, claims, signature] = input.verify.split('.');
  const read = (part) => JSON.parse(Buffer.from(part, 'base64url'));
  const jwk = input.set.keys.find((key) => key.kid === read(header).kid);
  const good = jwk !== undefined && crypto.verify(digest[read(header).alg], Buffer.from(`${header}.${claims}`),
    { key: crypto.createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
  done({ good, header: read(header), claims: read(claims) });
}
"#;

fn node(input: &Value) -> Value {
    let mut child = Command::new("node")
        .args(["-e", NODE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("these tests need Node in the path");
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "{said:?}");
    serde_json::from_slice(&said.stdout).unwrap()
}

struct Pair {
    kid: &'static str,
    algorithm: &'static str,
    made: Value,
}

fn pair(algorithm: &'static str, kid: &'static str) -> Pair {
    Pair { kid, algorithm, made: node(&json!({"keys": algorithm, "kid": kid})) }
}

impl Pair {
    fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({"alg": self.algorithm, "kid": self.kid, "typ": "JWT"}), claims)
    }

    fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let sign = json!({"header": header, "claims": claims, "key": self.made["secret"], "with": self.algorithm});
        node(&json!({ "sign": sign })).as_str().unwrap().to_owned()
    }
}

fn set(pairs: &[&Pair]) -> Value {
    json!({"keys": pairs.iter().map(|pair| &pair.made["public"]).collect::<Vec<_>>()})
}

fn serving(set: &Value) -> Answer {
    let body = set.to_string();
    let length = body.len();
    Answer::Bytes(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ))
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn claims(user: &str) -> Value {
    json!({"iss": ISSUER, "sub": user, "aud": ["tollgate", "others"], "iat": now(), "exp": now() + 600, "name": "Alice A"})
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

/// A request to `/v2` with the project's key.
fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Reply {
    let bytes = body.to_string();
    server.api().try_call(method, path, (method != "GET").then_some(bytes.as_bytes())).unwrap()
}

/// `GET /v2/me` with a JWT.
fn me(server: &Server, project: Option<&str>, jwt: &str) -> Reply {
    server.remember(jwt);
    let bearer = format!("Bearer {jwt}");
    let mut headers = vec![("Authorization", bearer.as_str())];
    headers.extend(project.map(|project| ("X-Tollgate-Project", project)));
    Http::connect(server.addr).unwrap().request("GET", "/v2/me", &headers, None).unwrap()
}

#[track_caller]
fn refused(server: &Server, jwt: &str, code: &str, words: &str) {
    let reply = me(server, Some(&server.project), jwt);
    let told = reply.json();
    assert_eq!((reply.status, told["code"].as_str()), (401, Some(code)), "{told}");
    assert!(told["detail"].as_str().unwrap().contains(words), "{told} says not {words}");
    let mut leap = server.leap();
    leap.send(&json!({"op": 2, "d": {"project_id": server.project, "token": jwt}}));
    assert!(matches!(leap.closed().0, 4001 | 4003 | 4009), "no connection, either");
}

fn register(server: &Server, keys: &Value) -> Value {
    let mut body = json!({"issuer": ISSUER, "audiences": ["tollgate"], "display_name_claim": "name"});
    body.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let reply = ask(server, "POST", "/v2/issuers", &body);
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

#[test]
fn a_registered_issuers_users_come_in_with_its_jwts() {
    let (first, second) = (pair("ES256", "one"), pair("RS256", "two"));
    let keys = Receiver::start();
    keys.answer(serving(&set(&[&first])));
    let mut server = Setup::default().config(PRIVATE).start();
    let issuer = register(
        &server,
        &json!({"jwks_url": format!("http://{}/keys", keys.addr), "capabilities_claim": "may",
        "policy": {"ttl_s_max": 3_600, "capabilities": [{"channels": "room-*", "operations": ["subscribe", "publish"]}]}}),
    );
    assert_eq!((&issuer["keys"][0]["kid"], &issuer["keys"][0]["algorithm"]), (&json!("one"), &json!("ES256")));
    assert_eq!(keys.next().path, "/keys");
    server.api().channel("room-1", "private", json!({"n": 1}));

    let may = with(claims("alice"), "may", json!("subscribe:*"));
    let jwt = first.sign(&may);
    let reply = me(&server, Some(&server.project), &jwt);
    let shown = reply.json();
    assert_eq!(reply.status, 200, "{shown}");
    let token = shown["id"].as_str().unwrap().to_owned();
    assert!(shown.to_string().contains("alice") && shown.to_string().contains("Alice A"), "{shown}");
    let (mut leap, _) = server.identified(Some(&jwt));
    assert_eq!(leap.join("room-1"), json!({"n": 1}), "its claim within the ceiling");
    server.api().publish("room-1", "X", json!(1));
    leap.expect("MESSAGE", "room-1");
    assert_eq!(me(&server, None, &jwt).status, 401, "without the project nobody knows whose issuer it is");

    // A key that the issuer published since: its registered address is asked when the minute is over. Here it is over by a restart.
    keys.answer(serving(&set(&[&first, &second])));
    server.stop();
    server.start_again();
    let newer = second.sign(&may);
    until(Duration::from_secs(30), "the new key", || {
        (me(&server, Some(&server.project), &newer).status == 200).then_some(())
    });
    let same = me(&server, Some(&server.project), &newer).json();
    assert_eq!(same["id"].as_str(), Some(token.as_str()), "one record for an issuer's user");

    // With the issuer's server gone, a restart needs no fetch.
    keys.answer(Answer::status(500));
    server.kill();
    server.start_again();
    let (mut leap, _) = server.identified(Some(&newer));
    let revoked = ask(&server, "POST", "/v2/tokens/revoke", &json!({"tokens": [token]}));
    assert!(matches!(revoked.status, 200..=202), "{}", revoked.text());
    assert_eq!(leap.closed().0, 4001);
    refused(&server, &newer, "token_revoked", "`iat`");
    let deleted = ask(&server, "DELETE", &format!("/v2/issuers/{}", issuer["id"].as_str().unwrap()), &json!({}));
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    refused(&server, &newer, "invalid_auth", "no issuer registered");
}

#[test]
fn what_must_never_be_believed_is_not() {
    let (ours, theirs) = (pair("RS256", "key"), pair("RS256", "key"));
    let elliptic = pair("ES256", "elliptic");
    let trap = Receiver::start();
    trap.answer(serving(&set(&[&theirs])));
    let server = Setup::default().config(PRIVATE).start();
    register(&server, &json!({"jwks": set(&[&ours, &elliptic])}));
    let good = claims("alice");
    assert_eq!(me(&server, Some(&server.project), &ours.sign(&good)).status, 200);
    assert_eq!(me(&server, Some(&server.project), &elliptic.sign(&good)).status, 200);

    // Nothing that a header points to or brings along is used (CVE-2026-32301).
    let place = format!("http://{}/keys", trap.addr);
    for (name, value) in
        [("jku", json!(place)), ("x5u", json!(place)), ("jwk", theirs.made["public"].clone()), ("kid", json!(place))]
    {
        let header = with(json!({"alg": "RS256", "kid": "key"}), name, value);
        let words = if name == "kid" { "`kid`" } else { "signature" };
        refused(&server, &theirs.sign_with(&header, &good), "invalid_auth", words);
    }
    // And an issuer that is not registered is not looked for.
    let claimed = with(good.clone(), "iss", json!(format!("http://{}/", trap.addr)));
    refused(&server, &theirs.sign(&claimed), "invalid_auth", "no issuer registered");
    assert!(trap.is_quiet(), "an address out of a token was called");

    // The public key as a shared secret, the key for another algorithm, no algorithm at all.
    let confused = |header: &Value, secret: &Value| {
        node(&json!({"sign": {"header": header, "claims": good, "hmac": secret}})).as_str().unwrap().to_owned()
    };
    let hs256 = json!({"alg": "HS256", "kid": "key"});
    for secret in [&ours.made["pem"], &json!(ours.made["public"].to_string()), &json!("")] {
        refused(&server, &confused(&hs256, secret), "invalid_auth", "HS256");
    }
    refused(&server, &ours.sign_with(&json!({"alg": "ES256", "kid": "key"}), &good), "invalid_auth", "ES256");
    let signed = ours.sign(&good);
    let payload = signed.split('.').nth(1).unwrap();
    for none in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJOb05lIn0"] {
        refused(&server, &format!("{none}.{payload}."), "invalid_auth", "not signed");
    }
    // A claim of the wrong type is no absent claim (CVE-2026-25537).
    for (name, value) in [
        ("exp", json!("9999999999")),
        ("nbf", json!("0")),
        ("iat", json!(null)),
        ("sub", json!(["alice"])),
        ("name", json!(1)),
    ] {
        refused(&server, &ours.sign(&with(good.clone(), name, value)), "invalid_auth", &format!("`{name}`"));
    }
    // Who shares a registered issuer's name, but not its keys, nor its audience (CVE-2026-49998).
    let other = json!({"issuer": "https://other.example/", "jwks": set(&[&theirs])});
    assert_eq!(ask(&server, "POST", "/v2/issuers", &other).status, 201);
    refused(&server, &theirs.sign(&good), "invalid_auth", "signature");
    refused(&server, &ours.sign(&with(good.clone(), "aud", json!("others"))), "invalid_auth", "`aud`");
    refused(&server, &ours.sign(&with(good.clone(), "exp", json!(now() - 1))), "token_expired", "expired");
    refused(
        &server,
        &ours.sign(&with(good.clone(), "nbf", json!(now() + 500))),
        "token_not_yet_valid",
        "not valid yet",
    );
    let (_, key) = server.new_project("second");
    let elsewhere = ask(&server, "GET", "/v2/issuers", &Value::Null).json();
    assert_eq!(elsewhere["data"].as_array().unwrap().len(), 2);
    assert_eq!(server.api_with(&key).try_call("GET", "/v2/issuers", None).unwrap().json()["data"], json!([]));
}

#[test]
fn an_address_for_keys_is_asked_with_patience_and_bounds() {
    let keys = Receiver::start();
    let place = format!("http://{}/keys", keys.addr);
    let body = json!({"issuer": ISSUER, "jwks_url": place});
    // The default: nobody's internal network is reached through a registration.
    let server = Server::start();
    let reply = ask(&server, "POST", "/v2/issuers", &body);
    assert!(reply.status == 400 || reply.status == 422, "{}", reply.text());
    assert!(keys.is_quiet());
    let server = Setup::default().config(PRIVATE).start();
    let huge = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", " ".repeat(300 * 1024));
    let cases = [
        (Answer::status(500), "answered 500"),
        (
            Answer::Bytes("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".into()),
            "redirect",
        ),
        (Answer::Bytes(huge), "262144 bytes"),
        (serving(&json!({"keys": []})), "none of the 0 keys"),
        (Answer::Silence, "no answer within 5000 ms"),
    ];
    for (answer, words) in cases {
        keys.answer(answer);
        let begun = Instant::now();
        let reply = ask(&server, "POST", "/v2/issuers", &body);
        let told = reply.json();
        assert!(reply.status == 400 || reply.status == 422, "{told}");
        assert!(told["detail"].as_str().unwrap().contains(words), "{told} says not {words}");
        assert!(begun.elapsed() < Duration::from_secs(8));
        keys.next();
    }
    keys.answer(Answer::status(500));
    let reply = ask(&server, "POST", "/v2/issuers", &with(body, "defer", json!(true)));
    assert_eq!((reply.status, reply.json()["keys"].clone()), (201, json!([])), "{}", reply.text());
}

#[test]
fn our_own_access_tokens_verify_elsewhere_and_end_with_their_key() {
    let mut server = Server::start();
    let made = ask(&server, "POST", "/v2/tokens", &json!({"user_id": "alice", "display_name": "Alice"})).json();
    let (id, secret) = (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned());
    server.remember(&secret);
    let spell = |server: &Server| {
        let reply = ask(server, "POST", &format!("/v2/tokens/{id}/access-tokens"), &json!({"ttl_s": 600}));
        assert_eq!(reply.status, 201, "{}", reply.text());
        let jwt = reply.json()["access_token"].as_str().unwrap().to_owned();
        server.remember(&jwt);
        jwt
    };
    let published = |server: &Server, path: &str| {
        let reply = Http::connect(server.addr).unwrap().request("GET", path, &[], None).unwrap();
        assert_eq!(
            (reply.status, reply.header("cache-control")),
            (200, Some("public, max-age=300")),
            "{}",
            reply.text()
        );
        assert!(!reply.text().contains("\"d\""), "the private half");
        (reply.header("etag").unwrap().to_owned(), reply.json())
    };
    let jwt = spell(&server);
    let path = format!("/projects/{}/.well-known/jwks.json", server.project);
    let (etag, keys) = published(&server, &path);
    let seen = node(&json!({"verify": jwt, "set": keys}));
    assert_eq!(seen["good"], true, "{seen}");
    assert_eq!((&seen["claims"]["jti"], &seen["claims"]["user"]["publicUserId"]), (&json!(id), &json!("alice")));
    let again = Http::connect(server.addr).unwrap().request("GET", &path, &[("If-None-Match", &etag)], None).unwrap();
    assert_eq!(again.status, 304);
    for place in ["/.well-known/jwks.json".to_owned(), format!("/.well-known/jwks.json?project={}", server.project)] {
        assert_eq!(published(&server, &place).1, keys);
    }
    assert_eq!(me(&server, None, &jwt).json()["id"].as_str(), Some(id.as_str()), "our own says which project it is of");
    let (mut by_jwt, _) = server.identified(Some(&jwt));
    let (mut by_secret, _) = server.identified(Some(&secret));

    // A turn by hand: both keys are published, both JWTs work.
    let rotated = server.command(&["signing-key", "rotate", "--json"]);
    let newer = spell(&server);
    let (_, keys) = published(&server, &path);
    for jwt in [&jwt, &newer] {
        assert_eq!(node(&json!({"verify": jwt, "set": keys}))["good"], true);
        assert_eq!(me(&server, None, jwt).status, 200);
    }
    assert_eq!(node(&json!({"verify": newer, "set": keys}))["header"]["kid"], rotated["kid"]);

    // An emergency: from the answer on nothing under that key is believed, and who came in by it is out; after a kill, too.
    let old = seen["header"]["kid"].as_str().unwrap();
    let retired = ask(&server, "POST", &format!("/v2/signing-keys/{old}/retire"), &json!({"emergency": true}));
    assert_eq!(retired.json()["status"], "retired", "{}", retired.text());
    assert_eq!(me(&server, None, &jwt).status, 401);
    assert_eq!(by_jwt.closed().0, 4001);
    by_secret.quiet();
    server.kill();
    server.start_again();
    assert_eq!((me(&server, None, &jwt).status, me(&server, None, &newer).status), (401, 200));
    let (_, keys) = published(&server, &path);
    assert_eq!(node(&json!({"verify": jwt, "set": keys}))["good"], false);
}
