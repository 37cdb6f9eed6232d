//! What a client prefers: the `Accept…` headers of RFC 9110, section 12.5.

/// How a body can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `br`
    Brotli,
    /// `gzip`
    Gzip,
    /// As it is.
    Identity,
}

/// The members of a list with their weights.
fn weighted(list: &str) -> impl Iterator<Item = (&str, Weight)> {
    list.split(',').filter_map(|member| {
        let mut parts = member.split(';').map(str::trim);
        let value = parts.next().filter(|value| !value.is_empty())?;
        let weight = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(Weight::FULL, |(_, weight)| Weight::parse(weight.trim()));
        Some((value, weight))
    })
}

/// Thousandths: a weight has at most three decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Weight(u16);

impl Weight {
    /// Not acceptable.
    const NONE: Self = Self(0);
    const FULL: Self = Self(1000);

    /// A malformed weight accepts nothing.
    fn parse(text: &str) -> Self {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
            return Self::NONE;
        }
        let thousandths = decimals
            .bytes()
            .chain([b'0'; 3])
            .take(3)
            .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        match (whole, thousandths) {
            ("0", thousandths) => Self(thousandths),
            ("1", 0) => Self::FULL,
            _ => Self::NONE,
        }
    }
}

/// The weight of the first of `names` that the list has: put the most specific first.
fn weight(list: &str, names: &[&str]) -> Weight {
    names
        .iter()
        .find_map(|name| weighted(list).find(|(value, _)| value.eq_ignore_ascii_case(name)))
        .map_or(Weight::NONE, |(_, weight)| weight)
}

/// The best encoding that an `Accept-Encoding` allows. If two are equally welcome, the smaller one.
pub fn encoding(accept_encoding: &str) -> Encoding {
    let of = |name: &str| weight(accept_encoding, &[name, "*"]);
    let (brotli, gzip) = (of("br"), of("gzip"));
    let identity = weight(accept_encoding, &["identity"]);
    if brotli > Weight::NONE && brotli >= gzip && brotli >= identity {
        Encoding::Brotli
    } else if gzip > Weight::NONE && gzip >= identity {
        Encoding::Gzip
    } else {
        Encoding::Identity
    }
}

/// What a list prefers among what `find` knows; the first of several that are equally welcome.
pub fn preferred<T>(list: &str, find: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut best = (None, Weight::NONE);
    for (value, weight) in weighted(list) {
        if weight > best.1
            && let Some(found) = find(value)
        {
            best = (Some(found), weight);
        }
    }
    best.0
}

/// Which of these media types an `Accept` prefers, by its place; the first of several that are equally welcome,
/// none if it welcomes none of them.
pub fn preferred_of(accept: &str, types: &[&str]) -> Option<usize> {
    if accept.trim().is_empty() {
        return Some(0);
    }
    let mut best = (None, Weight::NONE);
    for (place, name) in types.iter().enumerate() {
        let group = name.split('/').next().unwrap_or_default();
        let weight = weight(accept, &[name, &format!("{group}/*"), "*/*"]);
        if weight > best.1 {
            best = (Some(place), weight);
        }
    }
    best.0
}

/// Whether an `Accept` asks for a page rather than for JSON. `otherwise` decides for clients that
/// accept both equally: most API clients send `*/*` or nothing.
pub fn prefers_html(accept: &str, otherwise: bool) -> bool {
    if accept.trim().is_empty() {
        return otherwise;
    }
    let html = weight(accept, &["text/html", "text/*", "*/*"]);
    let json = ["application/problem+json", "application/json"]
        .map(|name| weight(accept, &[name, "application/*", "*/*"]))
        .into_iter()
        .max()
        .unwrap_or(Weight::NONE);
    if html == json { otherwise } else { html > json }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_prefers_a_page_and_an_api_client_json() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
        assert!(prefers_html(browser, false));
        assert!(prefers_html("text/html", false));
        assert!(prefers_html("text/html, application/json;q=0.5", false));
        for accept in [
            "application/json",
            "application/problem+json",
            "application/json, text/plain, */*;q=0.1",
            "application/json, text/html;q=0.9",
            "text/html;q=0",
            "image/png",
        ] {
            assert!(!prefers_html(accept, false), "{accept}");
        }
        assert!(!prefers_html("application/json", true));
        for indifferent in ["", "*/*", "text/html, application/json"] {
            assert!(!prefers_html(indifferent, false));
            assert!(prefers_html(indifferent, true));
        }
    }

    #[test]
    fn the_preferred_type_wins() {
        let types = ["application/x-ndjson", "text/csv"];
        let of = |accept| preferred_of(accept, &types);
        for accept in ["", "*/*", "application/*", "text/csv;q=0.5, */*"] {
            assert_eq!(of(accept), Some(0), "{accept}");
        }
        for accept in ["text/csv", "text/*", "text/csv, */*;q=0.1"] {
            assert_eq!(of(accept), Some(1), "{accept}");
        }
        assert_eq!(of("image/png"), None);
    }

    #[test]
    fn the_smallest_encoding_that_is_allowed_wins() {
        assert_eq!(encoding("gzip, deflate, br, zstd"), Encoding::Brotli);
        assert_eq!(encoding("gzip"), Encoding::Gzip);
        assert_eq!(encoding("GZIP"), Encoding::Gzip);
        assert_eq!(encoding("br;q=0.5, gzip"), Encoding::Gzip);
        assert_eq!(encoding("br;q=0, *"), Encoding::Gzip);
        assert_eq!(encoding("*"), Encoding::Brotli);
        assert_eq!(encoding("identity, gzip;q=0.5"), Encoding::Identity);
        for none in [
            "",
            "deflate",
            "br;q=0",
            "br;q=0.000",
            "br;q=no",
            "br;q=0.1234",
            "br;q=-1",
            "gzip;q=2",
            "gzip;q=1.001",
            ",;,",
        ] {
            assert_eq!(encoding(none), Encoding::Identity, "{none}");
        }
    }
}
