//! How the server does, for the command line: a line of JSON for programs, columns for people.

use serde_json::{Value, json};
use tollgate_console::{Part, Stretch};

/// What went on in the last seconds and how every part is, as JSON.
pub(crate) fn line(at: &str, now: Option<Stretch>, parts: &[Part]) -> Value {
    let rate = |of: fn(&Stretch) -> u64| {
        now.map(|one| {
            let thousandths = one.per_thousand_seconds(of(&one));
            // Exact: a number with three digits behind its point.
            format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000).parse::<f64>().unwrap_or_default()
        })
    };
    // Beyond the last bucket nothing is known but that it was longer.
    let ms = |us: Option<u64>| us.map(|us| if us == u64::MAX { json!("longer") } else { json!(us_in_ms(us)) });
    let health: Vec<Value> = parts
        .iter()
        .map(|part| json!({ "part": part.name, "condition": part.condition.word(), "detail": part.said }))
        .collect();
    json!({
        "at": at,
        "measured_ms": now.map(|one| one.ms),
        "connections": now.map(|one| one.connections),
        "messages_in_per_second": rate(|one| one.messages_in),
        "deliveries_per_second": rate(|one| one.deliveries),
        "refusals_per_second": rate(|one| one.refusals),
        "delivery_p50_ms": ms(now.and_then(|one| one.delivery_p50_us)),
        "delivery_p99_ms": ms(now.and_then(|one| one.delivery_p99_us)),
        "commit_p99_ms": ms(now.and_then(|one| one.commit_p99_us)),
        "store_waiting": now.map(|one| one.store_waiting),
        "webhooks_waiting": now.map(|one| one.webhooks_waiting),
        "health": health,
    })
}

fn us_in_ms(us: u64) -> f64 {
    // Bounds of buckets: small and exact.
    #[allow(clippy::cast_precision_loss, reason = "at most ten seconds")]
    let ms = us as f64 / 1e3;
    ms
}

/// A length of time, for people.
pub(crate) fn seconds(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms / 1_000),
        _ => format!("{} min", ms / 60_000),
    }
}

const COLUMNS: [(&str, &str, usize); 9] = [
    ("CONNECTIONS", "connections", 11),
    ("IN/S", "messages_in_per_second", 9),
    ("OUT/S", "deliveries_per_second", 11),
    ("REFUSED/S", "refusals_per_second", 9),
    ("P50 MS", "delivery_p50_ms", 7),
    ("P99 MS", "delivery_p99_ms", 7),
    ("COMMIT MS", "commit_p99_ms", 9),
    ("STORE", "store_waiting", 6),
    ("WEBHOOKS", "webhooks_waiting", 8),
];

/// One line for people, with what is not as it should be behind it; with the heads of its columns above it.
pub(crate) fn columns(line: &Value, with_heads: bool) -> String {
    let cell = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let row = |of: &dyn Fn(&(&str, &str, usize)) -> String| {
        let cells: Vec<String> = COLUMNS.iter().map(|column| format!("{:>1$}", of(column), column.2)).collect();
        cells.join("  ")
    };
    let heads = if with_heads { row(&|column| column.0.to_owned()) + "\n" } else { String::new() };
    let ill = line["health"].as_array().into_iter().flatten().filter(|part| part["condition"] != "good");
    let ill: Vec<String> = ill
        .map(|part| format!("{} {}: {}", cell(&part["part"]), cell(&part["condition"]), cell(&part["detail"])))
        .collect();
    let ill = if ill.is_empty() { String::new() } else { format!("  {}", ill.join("; ")) };
    format!("{heads}{}{ill}\n", row(&|column| cell(&line[column.1])))
}

#[cfg(test)]
mod tests {
    use tollgate_console::Condition;

    use super::*;

    #[test]
    fn people_see_columns_and_programs_the_same_numbers() {
        let now = Stretch {
            ms: 10_000,
            connections: 12_345,
            messages_in: 15,
            deliveries: 50_000,
            refusals: 0,
            delivery_p50_us: Some(250),
            delivery_p99_us: Some(u64::MAX),
            commit_p99_us: None,
            store_waiting: 0,
            webhooks_waiting: 7,
        };
        let part = |name, condition| Part { name, condition, said: "said".to_owned() };
        let parts = [part("Store", Condition::Good), part("Disk", Condition::Strained)];
        let told = line("2026-11-22T20:25:21Z", Some(now), &parts);
        assert_eq!((&told["messages_in_per_second"], &told["delivery_p50_ms"]), (&json!(1.5), &json!(0.25)));
        assert_eq!((&told["delivery_p99_ms"], &told["commit_p99_ms"]), (&json!("longer"), &Value::Null));
        let shown = columns(&told, true);
        assert_eq!(
            shown,
            "CONNECTIONS       IN/S        OUT/S  REFUSED/S   P50 MS   P99 MS  COMMIT MS   STORE  WEBHOOKS\n\
             \u{20}     12345        1.5       5000.0        0.0     0.25   longer          -       0         7  Disk strained: said\n"
        );
        assert_eq!(columns(&line("now", None, &[]), false).split_whitespace().collect::<String>(), "-".repeat(9));
    }
}
