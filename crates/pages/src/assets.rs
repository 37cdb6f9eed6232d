//! The files that the pages load. A path changes with its content. The component `web` serves them.

/// A file, and where it is served.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Absolute, with a hash of the content.
    pub path: &'static str,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// Not encoded.
    pub bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_is_in_the_file() {
        for asset in ALL {
            let (name, hash_and_extension) = asset.path.split_once('.').unwrap();
            let (hash, _) = hash_and_extension.split_once('.').unwrap();
            assert!(name.starts_with("/assets/"), "{}", asset.path);
            assert!(
                hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()),
                "{}",
                asset.path
            );
        }
    }

    #[test]
    fn style_and_script_are_small() {
        let total: usize = [STYLE, SCRIPT, ICON].iter().map(|a| a.bytes.len()).sum();
        assert!(
            total < 48 * 1024,
            "{total} bytes leave no room for the page"
        );
    }
}
