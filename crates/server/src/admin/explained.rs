//! Explanations as lines that people read: what it comes to, and each step with the sentence that says why.

use std::fmt::Write as _;

use serde_json::Value;

use super::show::plain;

/// The steps of an answer that has any; nothing of every other answer.
pub(super) fn explained(value: &Value) -> Option<String> {
    let steps = value.get("steps")?.as_array()?;
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(plain);
    let of = |name: &str| text(value, name);
    let mut out = String::new();
    let head = match (of("verdict").as_deref(), of("told")) {
        (Some("yes"), _) => "Yes, it may.".to_owned(),
        (Some("no"), Some(told)) => format!("No, it may not. Its client is told {told}."),
        (Some("no"), None) => "No, it may not.".to_owned(),
        (Some(_), _) => "The access hook decides.".to_owned(),
        (None, _) => {
            let event = of("event").map(|event| format!(" {event}")).unwrap_or_default();
            let position = of("position").map(|position| format!(" {position}")).unwrap_or_default();
            let at = of("at").map(|at| format!(", accepted at {at}")).unwrap_or_default();
            let what =
                if position.is_empty() { "No message".to_owned() } else { format!("The message{event}{position}{at}") };
            format!("{what}. What was written to a socket is known here, never what was read.")
        }
    };
    out.push_str(&head);
    out.push('\n');
    if let Some(token) = of("token") {
        let _written = writeln!(out, "Token {token}");
    }
    let names: Vec<String> =
        steps.iter().map(|step| text(step, "step").unwrap_or_default().replace(['.', '_'], " ")).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    out.push('\n');
    for (step, name) in steps.iter().zip(&names) {
        let mark = match text(step, "held").as_deref() {
            Some("held") => '✓',
            Some("failed") => '✗',
            _ => '?',
        };
        let said = text(step, "said").unwrap_or_default();
        let _written = writeln!(out, "{mark} {name:width$}  {said}");
        for (lead, more) in
            [("Connection ", text(step, "connection")), ("What would change it: ", text(step, "advice"))]
        {
            if let Some(more) = more {
                let _written = writeln!(out, "  {:width$}  {lead}{more}", "");
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn people_read_each_step_with_its_mark_and_nothing_moves_their_terminal() {
        let step = |step: &str, held: &str, said: &str, advice: Value| json!({"step": step, "held": held, "said": said, "advice": advice});
        let steps = json!([
            step("genuine", "held", "It is a token.", Value::Null),
            step("place", "unknown", "Say from where.", Value::Null),
            step("right", "failed", "It has \u{1b}[31mno capability.", json!("Give it one.")),
        ]);
        let no = json!({"verdict": "no", "told": "not_granted", "token": "tok_x", "steps": steps});
        let expected = [
            "No, it may not. Its client is told not_granted.",
            "Token tok_x",
            "",
            "✓ genuine  It is a token.",
            "? place    Say from where.",
            "✗ right    It has \u{fffd}[31mno capability.",
            "           What would change it: Give it one.",
        ];
        assert_eq!(explained(&no).unwrap().lines().collect::<Vec<_>>(), expected);
        for (verdict, said) in [("yes", "Yes, it may."), ("hook_decides", "The access hook decides.")] {
            let text = explained(&json!({"verdict": verdict, "told": null, "token": null, "steps": []})).unwrap();
            assert_eq!(text.lines().next(), Some(said));
        }
        let fate = json!({"token": "tok_x", "position": "1-2", "at": "2026-01-02T03:04:05Z", "event": "said", "sender": null,
            "steps": [{"step": "connection", "held": "held", "said": "It is in the channel.", "connection": "conn_x"}]});
        let text = explained(&fate).unwrap();
        assert!(text.starts_with("The message said 1-2, accepted at 2026-01-02T03:04:05Z. "), "{text}");
        assert!(text.ends_with("\n✓ connection  It is in the channel.\n              Connection conn_x\n"), "{text}");
        let none = json!({"token": "tok_x", "position": null, "at": null, "event": null, "steps": []});
        assert!(explained(&none).unwrap().starts_with("No message. "));
        assert_eq!(explained(&json!({"data": []})), None);
    }
}
