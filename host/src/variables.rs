//! Variables: the manifest's, or what the environment says instead, and the templates made of them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use manifest::Variable;

/// The values of the application's variables, which templates name.
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// `SPIN_VARIABLE_NAME` goes before the default; a required variable has nothing else.
    pub fn resolve(
        declared: &BTreeMap<String, Variable>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let mut values = BTreeMap::new();
        for (name, variable) in declared {
            let key = format!("SPIN_VARIABLE_{}", name.to_uppercase());
            let value = environment(&key)
                .or_else(|| variable.default.clone())
                .with_context(|| format!("variable {name} is required: set {key}"))?;
            values.insert(name.clone(), value);
        }
        Ok(Self(values))
    }

    /// Fills a template: text in which `{{ name }}` stands for the value of a variable.
    pub fn fill(&self, template: &str) -> Result<String> {
        let mut filled = String::new();
        let mut rest = template;
        while let Some((text, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .with_context(|| format!("{{{{ is not closed in {template:?}"))?;
            filled.push_str(text);
            match self.0.get(name.trim()) {
                Some(value) => filled.push_str(value),
                None => bail!(
                    "{template:?} names the variable {:?}, which does not exist",
                    name.trim()
                ),
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(text: &str) -> BTreeMap<String, Variable> {
        toml::from_str(text).unwrap()
    }

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_environment_goes_before_the_default() {
        let declared = declared("host = { default = \"there\" }");
        let defaults = Variables::resolve(&declared, nothing).unwrap();
        assert_eq!(defaults.fill("{{ host }}").unwrap(), "there");
        let set = Variables::resolve(&declared, |key| {
            (key == "SPIN_VARIABLE_HOST").then(|| "here".to_owned())
        });
        assert_eq!(set.unwrap().fill("{{ host }}").unwrap(), "here");
    }

    #[test]
    fn a_required_variable_must_be_set() {
        let missing = Variables::resolve(&declared("token = { required = true }"), nothing);
        let error = missing.err().unwrap().to_string();
        assert!(error.contains("SPIN_VARIABLE_TOKEN"), "{error}");
    }

    #[test]
    fn a_template_is_filled_or_refused() {
        let declared = declared("a = { default = \"1\" }\nb = { default = \"{{ a }}\" }");
        let variables = Variables::resolve(&declared, nothing).unwrap();
        assert_eq!(variables.fill("x{{a}}y{{ a }}").unwrap(), "x1y1");
        // What a variable holds is no template.
        assert_eq!(variables.fill("{{ b }}").unwrap(), "{{ a }}");
        assert!(variables.fill("{{ c }}").is_err());
        assert!(variables.fill("{{ a").is_err());
    }
}
