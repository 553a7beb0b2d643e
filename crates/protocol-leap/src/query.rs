//! The query of the upgrade request: `encoding` and `compression`. Not the rest of the request, which is the gateway's.

/// Whether we can serve a client that connects with this query (without the `?`). `encoding` may be absent or `json`; `compression` may be
/// absent, `none` or `zlib`, and we send plain text in each case, as every client accepts. Other parameters mean nothing.
///
/// # Errors
/// One sentence for the client when it asks for what we do not speak.
pub fn check_query(query: Option<&str>) -> Result<(), String> {
    for pair in query.unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (known, instead): (&[&str], &str) = match name {
            "encoding" => (&["json"], "leave it out or use json"),
            "compression" => (&["none", "zlib"], "leave it out or use none or zlib"),
            _ => continue,
        };
        if !known.contains(&value) {
            let shown: String = value.chars().take(32).collect();
            return Err(format!("The {name} {shown:?} is not supported here; {instead}."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn b35_b36_encodings_and_compressions() {
        let good = [
            None,
            Some(""),
            Some("encoding=json"),
            Some("encoding=json&compression=none"),
            Some("compression=zlib&encoding=json"),
            Some("v=1&&x"),
            Some("Encoding=etf"),
        ];
        for query in good {
            assert_eq!(check_query(query), Ok(()), "{query:?}");
        }
        for query in [
            "encoding=etf",
            "encoding=",
            "encoding",
            "encoding=json&encoding=etf",
            "compression=zstd",
            "compression=lz4&x=1",
        ] {
            let refusal = check_query(Some(query)).unwrap_err();
            assert!(refusal.contains("is not supported here"), "{query}: {refusal}");
        }
        assert_eq!(
            check_query(Some("encoding=etf")).unwrap_err(),
            "The encoding \"etf\" is not supported here; leave it out or use json."
        );
        assert!(check_query(Some(&format!("encoding={}", "x".repeat(10_000)))).unwrap_err().len() < 120);
    }
}
