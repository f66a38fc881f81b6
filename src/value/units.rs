//! Durations and sizes as people write them.

/// Reads `500ms`, `20s`, `5m`, `2h`, `90d` or a sum such as `1m30s`, into seconds.
pub fn parse_duration(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let scale = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    (seconds.is_finite() && seconds <= 1e10).then_some(seconds)
}

/// Reads `16777216`, `64KiB`, `1MiB`, `10GB`, into bytes. `K`, `M`, `G`, `T` alone are binary, as PostgreSQL reads them.
pub fn parse_size(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: f64 = match unit.trim_start() {
        "" | "B" => 1.0,
        "KiB" | "K" => 1024.0,
        "MiB" | "M" => 1024.0 * 1024.0,
        "GiB" | "G" => 1024.0 * 1024.0 * 1024.0,
        "TiB" | "T" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * scale;
    // Above 2^53 a float no longer counts bytes.
    (bytes.fract() == 0.0 && bytes <= 9_007_199_254_740_992.0).then_some(bytes as i64)
}

/// Seconds for a person: `0.4 s`, `12 s`, `3 m 05 s`, `2 h 10 m`.
pub fn format_seconds(seconds: f64) -> String {
    let whole = seconds.max(0.0);
    if whole < 10.0 {
        format!("{whole:.1} s")
    } else if whole < 100.0 {
        format!("{whole:.0} s")
    } else if whole < 3600.0 {
        format!("{} m {:02} s", (whole as u64) / 60, (whole as u64) % 60)
    } else if whole < 172_800.0 {
        format!("{} h {:02} m", (whole as u64) / 3600, (whole as u64) % 3600 / 60)
    } else {
        format!("{} d", (whole as u64) / 86_400)
    }
}

/// Bytes for a person: `0 B`, `16 KiB`, `1.5 MiB`.
pub fn format_size(bytes: i64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value.abs() < 1024.0 {
            return if value.fract() == 0.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// `1 row`, `2 rows`.
pub fn counted(number: impl std::fmt::Display, one: &str) -> String {
    let number = number.to_string();
    if number == "1" { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1m30s"), Some(90.0));
        assert_eq!(parse_duration("500ms"), Some(0.5));
        assert_eq!(parse_duration("90d"), Some(7_776_000.0));
        for bad in ["", "5", "m", "5 m", "-5s", "1e9h", "5y", "..s", "5sm"] {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("1MiB"), Some(1_048_576));
        assert_eq!(parse_size("10GB"), Some(10_000_000_000));
        assert_eq!(parse_size("0"), Some(0));
        for bad in ["", "MiB", "1.5", "-1", "1XB", "99999999TiB"] {
            assert_eq!(parse_size(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn for_people() {
        assert_eq!(format_seconds(0.44), "0.4 s");
        assert_eq!(format_seconds(185.0), "3 m 05 s");
        assert_eq!(format_size(16_777_216), "16 MiB");
        assert_eq!(format_size(1536), "1.5 KiB");
    }
}
