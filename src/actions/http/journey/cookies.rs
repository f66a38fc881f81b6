//! The cookies of one journey, in memory alone. All of its requests go to one place, so whose a cookie is needs no asking;
//! what is kept is bounded, whatever the target sends.

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};

/// The most cookies, and the longest one.
const MOST: usize = 50;
const LONGEST: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    path: String,
    secure: bool,
}

/// What a browser would keep.
#[derive(Debug, Default)]
pub(super) struct Jar(Vec<Cookie>);

impl Jar {
    /// Takes what an answer sets; gives back the values that it sets.
    pub(super) fn keep(&mut self, url: &Url, headers: &HeaderMap) -> Vec<String> {
        let mut values = Vec::new();
        for header in headers.get_all(SET_COOKIE).iter().take(MOST) {
            let Some((cookie, gone)) = header.to_str().ok().and_then(|text| read(url, text)) else { continue };
            self.0.retain(|old| (&old.name, &old.path) != (&cookie.name, &cookie.path));
            if !gone && self.0.len() < MOST {
                values.push(cookie.value.clone());
                self.0.push(cookie);
            }
        }
        values
    }

    /// The header that goes with a request, behind those cookies that the playbook itself gives.
    pub(super) fn header(&self, url: &Url, own: Option<HeaderValue>) -> Option<HeaderValue> {
        let fits = |cookie: &&Cookie| {
            let below = url.path().strip_prefix(cookie.path.trim_end_matches('/'));
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                && (!cookie.secure || url.scheme() == "https")
        };
        let given = own.as_ref().and_then(|own| own.to_str().ok()).map(str::to_owned);
        let kept = self.0.iter().filter(fits).map(|cookie| format!("{}={}", cookie.name, cookie.value));
        let pairs: Vec<String> = given.into_iter().chain(kept).collect();
        if pairs.is_empty() { own } else { HeaderValue::from_str(&pairs.join("; ")).ok() }
    }
}

/// A cookie, and whether it is to be forgotten.
fn read(url: &Url, text: &str) -> Option<(Cookie, bool)> {
    let mut parts = text.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || text.len() > LONGEST {
        return None;
    }
    let default = url.path().rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder });
    let mut cookie = Cookie { name: name.to_owned(), value: value.to_owned(), path: default.to_owned(), secure: false };
    let (mut age, mut expired) = (None, false);
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        match key.trim().to_ascii_lowercase().as_str() {
            "path" if value.starts_with('/') => cookie.path = value.to_owned(),
            "secure" => cookie.secure = true,
            "max-age" => age = value.trim().parse::<i64>().ok(),
            "expires" => expired = is_past(value.trim()),
            _ => {}
        }
    }
    // An age goes before a date.
    Some((cookie, age.map_or(expired, |seconds| seconds <= 0)))
}

/// Whether a date is over. Servers write it with blanks or with dashes; what is no date says nothing.
fn is_past(date: &str) -> bool {
    let date = date.replace('-', " ");
    jiff::fmt::rfc2822::parse(&date).is_ok_and(|date| date.timestamp() <= jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(lines: &[&str], at: &str, asked: &str) -> Option<String> {
        let mut jar = Jar::default();
        for line in lines {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, HeaderValue::from_str(line).unwrap());
            jar.keep(&Url::parse(at).unwrap(), &headers);
        }
        jar.header(&Url::parse(asked).unwrap(), None).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn cookies_are_kept_as_a_browser_does() {
        let at = "http://a/login";
        assert_eq!(kept(&["s=1; Path=/; HttpOnly", "t=2"], at, "http://a/x").as_deref(), Some("s=1; t=2"));
        assert_eq!(kept(&["s=1; Path=/", "s=2; Path=/"], at, "http://a/").as_deref(), Some("s=2"));
        assert_eq!(kept(&["s=1; Path=/", "s=; Path=/; Max-Age=0"], at, "http://a/"), None);
        assert_eq!(kept(&["s=1; Path=/", "s=x; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], at, "http://a/"), None);
        for past in ["Tue, 12 Oct 1999 05:00:00 GMT", "Thu, 01-Jan-1970 00:00:01 GMT", "Mon, 11-Oct-99 05:00:00 GMT"] {
            assert_eq!(
                kept(&["s=1; Path=/", &format!("s=x; Path=/; Expires={past}")], at, "http://a/"),
                None,
                "{past}"
            );
        }
        let later = "s=1; Path=/; Max-Age=60; Expires=Tue, 12 Oct 1999 05:00:00 GMT";
        assert_eq!(kept(&[later], at, "http://a/").as_deref(), Some("s=1"), "an age goes before a date");
        assert_eq!(
            kept(&["s=1; Path=/; Expires=Fri, 01 Jan 2999 05:00:00 GMT"], at, "http://a/").as_deref(),
            Some("s=1")
        );
        assert_eq!(kept(&["s=1; Path=/shop"], at, "http://a/shopping"), None);
        assert_eq!(kept(&["s=1; Path=/shop"], at, "http://a/shop/cart").as_deref(), Some("s=1"));
        assert_eq!(kept(&["s=1; Secure; Path=/"], at, "http://a/"), None, "it is not for the open road");
    }

    #[test]
    fn a_flood_of_cookies_is_bounded() {
        let many: Vec<String> = (0..200).map(|n| format!("c{n}=1; Path=/")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(kept(&many, "http://a/", "http://a/").unwrap().split("; ").count(), MOST);
        assert_eq!(kept(&[&format!("c={}", "x".repeat(LONGEST))], "http://a/", "http://a/"), None);
        assert_eq!(kept(&["=1", "x"], "http://a/", "http://a/"), None);
    }
}
