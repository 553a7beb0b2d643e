//! The description of `/v2`: OpenAPI 3.1 at `/v2/openapi.json`, and the same as a page at `/docs`. Every route of `/v2` is described here or
//! a test fails; what the description promises is held against the running server from outside.

mod channels;
mod issuers;
mod operations;
mod page;
mod schemas;
mod tokens;

use std::sync::OnceLock;

use http::StatusCode;
use serde_json::{Map, Value, json};
use tollgate_core::Result;
use tollgate_node::Node;

use crate::answer::Answer;
use crate::query::Query;
use crate::routes::Route;

/// One operation of `/v2`.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) method: &'static str,
    /// As in the table of routes: `/v2/tokens/:token`.
    pub(crate) template: &'static str,
    pub(crate) id: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    /// The permission of a project key, or `token` for what a token does for itself.
    pub(crate) needs: &'static str,
    /// Query parameters and headers, by their names in [`schemas::PARAMETERS`].
    pub(crate) parameters: &'static [&'static str],
    /// The schema of the body, if it takes one.
    pub(crate) body: Option<&'static str>,
    /// The status and the schema of its answer; none with 204.
    pub(crate) answer: (u16, Option<&'static str>),
}

/// Checks that a request of `/v2` has only the query parameters that are described of its operation. `project` is taken everywhere and
/// checked by itself. Other APIs ignore what they do not know.
///
/// # Errors
/// `invalid_input`, naming the parameter.
pub(crate) fn check_query(route: &Route, query: Option<&str>) -> Result<()> {
    let Some(query) = query else { return Ok(()) };
    let described = operations::ALL.iter().find(|one| one.template == route.template && one.method == route.method);
    let Some(described) = described else { return Ok(()) };
    let names = described.parameters.iter().filter(|name| !schemas::is_header(name));
    let known: Vec<&str> = names.filter_map(|name| name.split(':').next()).chain(["project"]).collect();
    Query::new(Some(query)).only(&known)
}

/// What the page may load: its own style.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// `GET /v2/openapi.json`.
pub(crate) async fn document(_node: &Node) -> Answer {
    Answer::plain(StatusCode::OK, text().to_owned())
}

/// `GET /docs`.
pub(crate) async fn docs(_node: &Node) -> Answer {
    static PAGE: OnceLock<String> = OnceLock::new();
    let html = PAGE.get_or_init(|| page::html(&value()));
    Answer::text(StatusCode::OK, "text/html; charset=utf-8", html.clone())
        .with(http::header::CONTENT_SECURITY_POLICY, POLICY)
}

/// `GET /docs.css`.
pub(crate) async fn style(_node: &Node) -> Answer {
    Answer::text(StatusCode::OK, "text/css; charset=utf-8", page::STYLE.to_owned())
}

fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| value().to_string())
}

/// The whole document.
fn value() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for described in operations::ALL {
        let entry = paths.entry(braced(described.template)).or_insert_with(|| json!({}));
        entry[described.method.to_ascii_lowercase()] = operation(described);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tollgate",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Channels, messages, users, tokens, keys, issuers, audit, usage and jobs of a Tollgate server.",
            "description": "Send a project key or, where an operation says so, a token as bearer. Fields and query parameters that are not described are refused. Errors are problem details (RFC 9457) with a stable `code`.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"}
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": tags(),
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas::schemas(),
            "responses": {
                "Problem": {
                    "description": "It was refused: `code` says why, `detail` what to do.",
                    "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds, with 429 and 503."}},
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
                }
            }
        }
    })
}

fn tags() -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for described in operations::ALL {
        if !names.contains(&described.tag) {
            names.push(described.tag);
        }
    }
    names.into_iter().map(|name| json!({"name": name})).collect()
}

fn operation(described: &Described) -> Value {
    let in_path = described.template.split('/').filter_map(|segment| segment.strip_prefix(':'));
    let mut parameters: Vec<Value> = in_path.map(schemas::path_parameter).collect();
    parameters.extend(described.parameters.iter().map(|name| schemas::parameter(name)));
    let (status, schema) = described.answer;
    let mut answer = json!({"description": "Done."});
    match schema {
        Some("Lines") => answer["content"] = json!({"application/x-ndjson": {"schema": {"type": "string"}}}),
        Some(schema) => answer["content"] = json!({"application/json": {"schema": reference(schema)}}),
        None => {}
    }
    let mut responses = json!({"default": {"$ref": "#/components/responses/Problem"}});
    responses[status.to_string()] = answer;
    for refusal in [400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 422, 429, 503] {
        responses[refusal.to_string()] = json!({"$ref": "#/components/responses/Problem"});
    }
    responses["431"] = json!({"description": "The head of the request is too large. This answer has no body."});
    let needs = match described.needs {
        "token" => "Needs a token.".to_owned(),
        "any" => "Needs a project key, whatever it may do.".to_owned(),
        either if either.starts_with("token or ") => {
            let permission = either.trim_start_matches("token or ");
            format!("Needs a token that may do this in the channel, or a project key that may `{permission}`.")
        }
        permission => format!("Needs a project key that may `{permission}`."),
    };
    let mut operation = json!({
        "operationId": described.id,
        "tags": [described.tag],
        "summary": described.summary,
        "description": needs,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(schema) = described.body {
        let content = if schema == "JobPart" {
            json!({"application/json": {"schema": reference(schema)}, "application/x-ndjson": {"schema": {"type": "string"}}})
        } else {
            json!({"application/json": {"schema": reference(schema)}})
        };
        let all = schemas::schemas();
        let required = all[schema]["required"].as_array().is_none_or(|fields| !fields.is_empty());
        operation["requestBody"] = json!({"required": required, "content": content});
    }
    operation
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// `/v2/tokens/:token` as OpenAPI spells it.
fn braced(template: &str) -> String {
    let segment = |segment: &str| {
        segment.strip_prefix(':').map_or(segment.to_owned(), |name| format!("{{{}}}", schemas::path_name(name)))
    };
    template.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::routes::ROUTES;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let routes: BTreeSet<String> = ROUTES
            .iter()
            .filter(|route| route.template.starts_with("/v2/") && route.template != "/v2/openapi.json")
            .map(|route| format!("{} {}", route.method, route.template))
            .collect();
        let described: BTreeSet<String> =
            operations::ALL.iter().map(|one| format!("{} {}", one.method, one.template)).collect();
        assert_eq!(routes.difference(&described).collect::<Vec<_>>(), [""; 0], "routes that nothing describes");
        assert_eq!(described.difference(&routes).collect::<Vec<_>>(), [""; 0], "descriptions of no route");
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        let html = page::html(&value());
        assert!(
            !html.contains("<script")
                && !html.contains("http:")
                && !html.contains("https:")
                && !html.contains("style=")
        );
        for described in operations::ALL {
            assert!(html.contains(&format!("<section id=\"{}\">", described.id)), "{}", described.id);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = value();
        let text = document.to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap_or_default();
            assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
        }
        let ids: BTreeSet<&str> = operations::ALL.iter().map(|one| one.id).collect();
        assert_eq!(ids.len(), operations::ALL.len(), "an operation id is used twice");
    }
}
