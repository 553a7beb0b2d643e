//! The description as a page for people: one file, no script, nothing from elsewhere.

use serde_json::Value;

/// All of its style.
pub(super) const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1e;background:#fff}\
h2{margin-top:3rem;border-bottom:1px solid #ccc}code,pre{font:14px/1.45 ui-monospace,monospace}pre{background:#f4f4f6;padding:.75rem;overflow:auto;border-radius:6px}\
section{margin:1.5rem 0}b.method{display:inline-block;min-width:4.5rem}table{border-collapse:collapse}td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}\
@media(prefers-color-scheme:dark){body{color:#e6e6ea;background:#151517}pre{background:#222226}h2{border-color:#444}a{color:#8ab4ff}}";

/// The page.
pub(super) fn html(document: &Value) -> String {
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Tollgate API</title><link rel=\"stylesheet\" href=\"/docs.css\"></head><body><h1>Tollgate API</h1><p>{}</p>\
         <p>The same for programs: <a href=\"/v2/openapi.json\">/v2/openapi.json</a> (OpenAPI 3.1).</p><ul>",
        escaped(document["info"]["description"].as_str().unwrap_or_default())
    );
    let tags: Vec<&str> =
        document["tags"].as_array().into_iter().flatten().filter_map(|tag| tag["name"].as_str()).collect();
    for tag in &tags {
        out += &format!("<li><a href=\"#{0}\">{0}</a></li>", escaped(tag));
    }
    out += "<li><a href=\"#errors\">Errors</a></li></ul>";
    for tag in tags {
        out += &format!("<h2 id=\"{0}\">{0}</h2>", escaped(tag));
        let paths = document["paths"].as_object().into_iter().flatten();
        for (path, methods) in paths {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                if operation["tags"][0] == tag {
                    out += &section(document, path, method, operation);
                }
            }
        }
    }
    out += "<h2 id=\"errors\">Errors</h2><table>";
    for kind in tollgate_core::ErrorKind::ALL {
        out += &format!(
            "<tr id=\"{0}\"><td><code>{0}</code></td><td>{1}</td><td>{2}</td></tr>",
            kind.code(),
            crate::refusal::status(*kind).as_u16(),
            escaped(kind.meaning().trim())
        );
    }
    out += "</table></body></html>";
    out
}

fn section(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let text = |name: &str| escaped(operation[name].as_str().unwrap_or_default());
    let mut out = format!(
        "<section id=\"{}\"><p><b class=\"method\">{}</b><code>{}</code></p><p>{}. {}</p>",
        text("operationId"),
        method.to_uppercase(),
        escaped(path),
        text("summary"),
        text("description")
    );
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let rows: String = parameters
        .map(|one| {
            format!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escaped(one["name"].as_str().unwrap_or_default()),
                escaped(one["in"].as_str().unwrap_or_default()),
                escaped(one["description"].as_str().unwrap_or_default())
            )
        })
        .collect();
    if !rows.is_empty() {
        out += &format!("<table>{rows}</table>");
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        out += &format!("<p>Takes:</p><pre>{}</pre>", escaped(&example(document, body, 0)));
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let schema = &response["content"]["application/json"]["schema"];
        if status.starts_with('2') && !schema.is_null() {
            out += &format!("<p>Answers {status}:</p><pre>{}</pre>", escaped(&example(document, schema, 0)));
        } else if status.starts_with('2') {
            out += &format!("<p>Answers {status}.</p>");
        }
    }
    out + "</section>"
}

/// The shape of a schema, as JSON with types for values.
fn example(document: &Value, schema: &Value, depth: usize) -> String {
    if depth > 6 {
        return "…".into();
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let found = document.pointer(reference.trim_start_matches('#'));
        return found.map_or("…".into(), |found| example(document, found, depth));
    }
    if let Some(choices) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        return choices.iter().map(|one| example(document, one, depth)).collect::<Vec<_>>().join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
    }
    if let Some(properties) = schema["properties"].as_object() {
        let indent = "  ".repeat(depth + 1);
        let lines: Vec<String> = properties
            .iter()
            .map(|(name, one)| format!("{indent}\"{name}\": {}", example(document, one, depth + 1)))
            .collect();
        return format!("{{\n{}\n{}}}", lines.join(",\n"), "  ".repeat(depth));
    }
    if schema["type"] == "array" {
        return format!("[{}, …]", example(document, &schema["items"], depth));
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        Value::String(kind) => kind.clone(),
        _ => "any value".into(),
    };
    if schema["format"] == "date-time" { "time, as 2030-01-31T12:00:00Z".into() } else { kind }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
