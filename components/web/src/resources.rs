//! What is served: made by build.rs.

use conventions::accept::Encoding;
use pages::Language;

/// A file or page, in each encoding that makes it smaller.
pub struct Resource {
    pub path: &'static str,
    pub kind: Kind,
    pub content_type: &'static str,
    pub identity: Version,
    pub brotli: Option<Version>,
    pub gzip: Option<Version>,
}

#[derive(PartialEq, Eq)]
pub enum Kind {
    /// A page, in this language.
    Page(Language),
    /// Its path changes with its content.
    Immutable,
    Document,
}

/// A body, and its entity tag: each encoding has its own (RFC 9110, section 8.8.3.3).
pub struct Version {
    pub etag: &'static str,
    pub body: &'static [u8],
}

static RESOURCES: &[Resource] = &include!(concat!(env!("OUT_DIR"), "/resources.rs"));

/// The resource at a path; of pages, the one in this language.
pub fn find(path: &str, language: Language) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| {
        resource.path == path
            && match resource.kind {
                Kind::Page(of) => of == language,
                Kind::Immutable | Kind::Document => true,
            }
    })
}

impl Resource {
    /// The version in this encoding, with its name, or the one as it is.
    pub fn version(&self, encoding: Encoding) -> (Option<&'static str>, &Version) {
        let packed = match encoding {
            Encoding::Brotli => self.brotli.as_ref().map(|version| (Some("br"), version)),
            Encoding::Gzip => self.gzip.as_ref().map(|version| (Some("gzip"), version)),
            Encoding::Identity => None,
        };
        packed.unwrap_or((None, &self.identity))
    }
}
