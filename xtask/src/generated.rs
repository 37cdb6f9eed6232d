//! Pages in docs/ of which parts are made of bench/results: what stands between two markers, and plots.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use stack::checkout;

/// Such a page, as it was read.
pub struct Page {
    path: &'static str,
    text: String,
}

/// SVG, and where it is.
pub type Plot = (PathBuf, String);

impl Page {
    /// That with this path in the repository.
    pub fn read(path: &'static str) -> Result<Self> {
        let text = fs::read_to_string(checkout::root().join(path));
        let text = text.with_context(|| format!("could not read {path}"))?;
        Ok(Self { path, text })
    }

    /// Puts text in the place of what is between two markers.
    pub fn fill(&mut self, [begin, end]: [&str; 2], text: &str) -> Result<()> {
        let about = || format!("{} has no <!-- {begin} -->", self.path);
        let marker = format!("<!-- {begin} -->\n");
        let start = self.text.find(&marker).with_context(about)? + marker.len();
        let length = self.text[start..]
            .find(&format!("<!-- {end} -->"))
            .with_context(about)?;
        let text = format!("\n{}\n\n", text.trim_end());
        self.text.replace_range(start..start + length, &text);
        Ok(())
    }

    /// Writes it and its plots.
    pub fn write(&self, plots: &[Plot]) -> Result<()> {
        fs::write(checkout::root().join(self.path), &self.text)
            .with_context(|| format!("could not write {}", self.path))?;
        for (plot, svg) in plots {
            fs::write(plot, svg).with_context(|| format!("could not write {}", plot.display()))?;
        }
        Ok(())
    }

    /// Checks that it and its plots are what is in the repository.
    #[cfg(test)]
    #[track_caller]
    pub fn is_up_to_date(&self, plots: &[Plot], update: &str) {
        assert_eq!(Self::read(self.path).unwrap().text, self.text, "{update}");
        for (plot, svg) in plots {
            assert_eq!(fs::read_to_string(plot).unwrap(), *svg, "{update}");
        }
    }
}
