//! Pictures of what was measured, as SVG by hand: bars with their ranges, and lines. Made of the document that a run writes, so an old
//! one can be drawn again. Measures nothing.
use serde_json::Value;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const LABELS: f64 = 220.0;
const BAR: f64 = 22.0;
const GAP: f64 = 10.0;
const HEAD: f64 = 44.0;

/// A bar: the median of rounds, and their range.
#[derive(Debug, Clone, PartialEq)]
struct Bar {
    label: String,
    values: Vec<f64>,
}

/// A picture with the name of its file.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) file: &'static str,
    pub(crate) title: String,
    pub(crate) svg: String,
}

/// All pictures that the document has figures for.
pub(crate) fn draw(document: &Value) -> Vec<Plot> {
    let rows: Vec<&Value> = document["rows"].as_array().map(|rows| rows.iter().collect()).unwrap_or_default();
    let of = |id: &'static str| rows.iter().copied().filter(move |row| row["id"] == id);
    let mut plots = Vec::new();
    let mut add = |file, title: &str, unit: &str, bars: Vec<Bar>| {
        if bars.iter().any(|bar| !bar.values.is_empty()) {
            plots.push(Plot { file, title: title.to_owned(), svg: bars_svg(title, unit, &bars) });
        }
    };
    let rate = "/deliveries_per_core_second";
    let fan_out = |id| of(id).flat_map(|row| fan_out_bars(&row["measured"], rate, 1e-3)).collect::<Vec<_>>();
    add("f1.svg", "F1: deliveries per second of server CPU, one publication at a time", "thousand", fan_out("F1"));
    add("f3.svg", "F3: the same, many pending", "thousand", fan_out("F3"));
    let memory = of("M1").map(memory_bar).collect();
    add("m1.svg", "M1: resident memory of an idle connection", "KiB", memory);
    let steady = of("F2").map(|row| {
        let raw = &row["measured"];
        Bar { label: format!("{} a second", raw["per_second"]), values: numbers(&raw["rounds"], "/latency_s/p99", 1e3) }
    });
    add("f2.svg", "F2: 99th percentile of a delivery, from when it was meant", "ms", steady.collect());
    let growth = of("G1").flat_map(|row| {
        let what = row["workload"].as_str().unwrap_or_default().split(' ').next().unwrap_or_default().to_owned();
        let sizes = row["measured"].as_array().cloned().unwrap_or_default();
        sizes.into_iter().map(move |size| Bar {
            label: format!("{} {}", size["size"], what.trim_end_matches(',')),
            values: size["cpu_s"].as_f64().map(|cost| cost * 1e6).into_iter().collect(),
        })
    });
    add("g1.svg", "G1: CPU of a delivery, or of a connection", "µs", growth.collect());
    plots
}

/// The bars of one line of F1 or F3: floor and Leap, the native protocol, or a peer.
fn fan_out_bars(raw: &Value, pointer: &str, factor: f64) -> Vec<Bar> {
    let bar = |label: &str, values| Bar { label: label.to_owned(), values };
    if let Some(peer) = raw["peer"].as_str() {
        return vec![bar(peer, numbers(&raw["rounds"], pointer, factor))];
    }
    if raw.is_array() {
        return vec![bar("Tollgate, native", numbers(raw, pointer, factor))];
    }
    let side = |side: &str| numbers(&raw["rounds"], &format!("/{side}{pointer}"), factor);
    vec![bar("the floor: bare send()", side("floor")), bar("Tollgate, Leap", side("server"))]
}

/// The bar of one line of M1: Tollgate over Leap, TLS or the native protocol, or a peer.
fn memory_bar(row: &Value) -> Bar {
    let raw = &row["measured"];
    let Some(peer) = raw["peer"].as_str() else {
        let workload = row["workload"].as_str().unwrap_or_default();
        let protocols = [("native", "Tollgate, native"), ("TLS", "Tollgate, Leap over TLS")];
        let label =
            protocols.iter().find(|(word, _)| workload.contains(word)).map_or("Tollgate, Leap", |(_, label)| label);
        return Bar { label: label.to_owned(), values: numbers(raw, "/kib_per_connection", 1.0) };
    };
    let steps: Vec<f64> = raw["steps_kib"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let count = raw["connections"].as_f64().unwrap_or(f64::NAN);
    let growth = |from: usize, part: f64| Some((steps.last()? - steps.get(from)?) / (count * part));
    let each = growth(0, 1.0).zip(growth(1, 0.5)).map(|(all, half)| all.max(half));
    Bar { label: peer.to_owned(), values: each.into_iter().collect() }
}

fn numbers(rounds: &Value, pointer: &str, factor: f64) -> Vec<f64> {
    let rounds = rounds.as_array().into_iter().flatten();
    rounds.filter_map(|round| Some(round.pointer(pointer)?.as_f64()? * factor)).collect()
}

fn bars_svg(title: &str, unit: &str, bars: &[Bar]) -> String {
    let most = bars.iter().flat_map(|bar| &bar.values).copied().fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LABELS - 110.0) / most;
    let height = HEAD + bars.len() as f64 * (BAR + GAP) + GAP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
        escaped(title)
    );
    for (place, bar) in bars.iter().enumerate() {
        let top = HEAD + place as f64 * (BAR + GAP);
        let text = top + BAR * 0.72;
        let mut values = bar.values.clone();
        values.sort_by(f64::total_cmp);
        let (Some(least), Some(greatest)) = (values.first(), values.last()) else { continue };
        let median = (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0;
        let colour = match bar.label.as_str() {
            label if label.starts_with("Tollgate") => "#2f6f4f",
            label if label.starts_with("the floor") => "#8a8a8a",
            _ => "#5b7fb4",
        };
        let x = |value: f64| LABELS + value * scale;
        let middle = top + BAR / 2.0;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{text:.1}\" text-anchor=\"end\">{}</text>",
            LABELS - 8.0,
            escaped(&bar.label)
        );
        let _ = writeln!(
            svg,
            "<rect x=\"{LABELS}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>",
            median * scale
        );
        let _ = writeln!(
            svg,
            "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"#000000\" stroke-width=\"1.5\"/>",
            x(*least),
            x(*greatest)
        );
        let _ =
            writeln!(svg, "<text x=\"{:.1}\" y=\"{text:.1}\">{} {unit}</text>", x(*greatest) + 8.0, rounded(median));
    }
    svg + "</svg>\n"
}

/// Three digits that say something.
fn rounded(value: f64) -> String {
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_of_line_gets_its_bar() {
        let figure = |rate: f64| json!({"deliveries_per_core_second": rate});
        let document = json!({"rows": [
            {"id": "F1", "measured": {"pending": 1, "rounds": [{"floor": figure(170e3), "server": figure(150e3)}]}},
            {"id": "F1", "measured": [figure(148e3), figure(152e3)]},
            {"id": "F1", "measured": {"peer": "u<s", "pending": 1, "rounds": [figure(100e3), null]}},
            {"id": "M1", "workload": "idle connections", "measured": [{"kib_per_connection": 1.1}]},
            {"id": "M1", "workload": "the same over Leap and TLS", "measured": [{"kib_per_connection": 9.0}]},
            {"id": "M1", "measured": {"peer": "ws", "connections": 100, "steps_kib": [1_000, 1_200, 1_800]}},
            {"id": "G1", "workload": "tokens, a connection", "measured": [{"size": 1_000, "cpu_s": 5e-5}]},
        ]});
        let plots = draw(&document);
        let files: Vec<_> = plots.iter().map(|plot| plot.file).collect();
        assert_eq!(files, ["f1.svg", "m1.svg", "g1.svg"], "nothing is drawn of what was not measured");
        for (plot, words) in [
            (0, ["the floor: bare send()", ">170 thousand<"]),
            (0, ["Tollgate, native", ">150 thousand<"]),
            (0, ["u&lt;s", ">100 thousand<"]),
            (1, [">ws<", ">12.0 KiB<"]),
            (1, [">Tollgate, Leap<", ">1.10 KiB<"]),
            (1, [">Tollgate, Leap over TLS<", ">9.00 KiB<"]),
            (2, ["1000 tokens", ">50.0 µs<"]),
        ] {
            for word in words {
                assert!(plots[plot].svg.contains(word), "{word}: {}", plots[plot].svg);
            }
        }
        assert!(plots.iter().all(|plot| plot.svg.starts_with("<svg") && plot.svg.ends_with("</svg>\n")));
    }
}
