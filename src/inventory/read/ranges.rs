//! Names of hosts as Ansible writes many at once: `web[01:50].example.com`, `db-[a:f]`, `web1:2222`. A range is counted before
//! it is written out: a few letters can stand for more hosts than there are.

/// How many hosts an inventory may have.
pub(super) const MOST_HOSTS: usize = 10_000;

/// The names that a pattern stands for, and the port behind it, if there is one.
///
/// # Errors
/// When a range makes no sense, or stands for too many.
pub(super) fn expand(pattern: &str) -> Result<(Vec<String>, Option<u16>), String> {
    let (name, port) = split_port(pattern)?;
    let mut names = vec![String::new()];
    let mut rest = name;
    while let Some((head, tail)) = rest.split_once('[') {
        let (range, tail) = tail.split_once(']').ok_or_else(|| wrong(pattern, "a bracket is not closed"))?;
        let parts = parts(range).map_err(|why| wrong(pattern, why))?;
        if names.len().saturating_mul(parts.len()) > MOST_HOSTS {
            return Err(wrong(pattern, "it stands for more than 10,000 hosts"));
        }
        names = names.iter().flat_map(|name| parts.iter().map(move |part| format!("{name}{head}{part}"))).collect();
        rest = tail;
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok((names, port))
}

fn wrong(pattern: &str, why: &str) -> String {
    let shown: String = pattern.chars().take(80).flat_map(char::escape_debug).collect();
    format!("the hosts `{shown}`: {why}")
}

/// `HOST:PORT` and `[ADDRESS]:PORT`. A colon elsewhere belongs to the name.
fn split_port(pattern: &str) -> Result<(&str, Option<u16>), String> {
    let Some((name, port)) = pattern.rsplit_once(':') else { return Ok((pattern, None)) };
    if port.is_empty() {
        return Err(wrong(pattern, "a colon at its end has no port behind it"));
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok((pattern, None));
    }
    let inner =
        name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).filter(|inner| !inner.contains(['[', ']']));
    let outside = name.split(']').map(|part| part.split('[').next().unwrap_or_default());
    if inner.is_none() && (name.is_empty() || outside.into_iter().any(|part| part.contains(':'))) {
        return Ok((pattern, None));
    }
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong(pattern, "its port is none"))?;
    Ok((inner.unwrap_or(name), Some(port)))
}

/// What a range stands for: numbers, with leading zeros where it begins with one, or letters.
fn parts(range: &str) -> Result<Vec<String>, &'static str> {
    const FORM: &str = "a range is [FROM:TO] or [FROM:TO:STEP], with numbers or with letters";
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let bounds: Vec<&str> = range.split(':').collect();
    let (from, to, step) = match bounds[..] {
        [from, to] => (from, to, "1"),
        [from, to, step] => (from, to, step),
        _ => return Err(FORM),
    };
    let from = if from.is_empty() { "0" } else { from };
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<usize>().ok())?;
    let step = number(step).filter(|step| *step > 0).ok_or(FORM)?;
    if to.is_empty() {
        return Err("a range has to say where it ends");
    }
    let place = |text: &str| LETTERS.find(text).filter(|_| text.len() == 1);
    if let (Some(from), Some(to)) = (place(from), place(to)) {
        let letters =
            LETTERS.get(from..=to).filter(|letters| !letters.is_empty()).ok_or("a range begins before it ends")?;
        return Ok(letters.chars().step_by(step).map(String::from).collect());
    }
    let padded = from.len() > 1 && from.starts_with('0');
    if padded && from.len() != to.len() {
        return Err("both ends of a range with leading zeros are of the same length");
    }
    let width = if padded { from.len() } else { 0 };
    let (from, to) = (number(from).ok_or(FORM)?, number(to).ok_or(FORM)?);
    if to < from {
        return Err("a range begins before it ends");
    }
    if (to - from) / step >= MOST_HOSTS {
        return Err("it stands for more than 10,000 hosts");
    }
    Ok((from..=to).step_by(step).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_out() {
        let all = |pattern: &str| expand(pattern).map(|(names, port)| (names.join(" "), port));
        for (pattern, names, port) in [
            ("web1", "web1", None),
            ("web1:2222", "web1", Some(2222)),
            ("web[1:3]", "web1 web2 web3", None),
            ("web[08:10].example", "web08.example web09.example web10.example", None),
            ("web[1:5:2]", "web1 web3 web5", None),
            ("web[:2]", "web0 web1 web2", None),
            ("db-[a:c]:22", "db-a db-b db-c", Some(22)),
            ("[a:b][1:2]x", "a1x a2x b1x b2x", None),
            ("[2001:db8::1]:22", "2001:db8::1", Some(22)),
            ("2001:db8::1", "2001:db8::1", None),
        ] {
            assert_eq!(all(pattern), Ok((names.to_owned(), port)), "{pattern}");
        }
        for bad in [
            "web[1:100000]",
            "web[1:200][1:200]",
            "web[1:",
            "web[1]",
            "web[3:1]",
            "web[01:100]",
            "web[1:2:0]",
            "web[1:]",
            "web:",
            "web:99999",
            "web:0",
            "web[c:a]",
            "web[0:18446744073709551615]",
            "web[a:3]",
            "web[1:2:x]",
            "web[é:f]",
        ] {
            assert!(all(bad).is_err(), "{bad}: {:?}", all(bad));
        }
    }
}
