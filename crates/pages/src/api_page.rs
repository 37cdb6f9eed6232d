//! The API for people: `GET /docs`, made of the OpenAPI document when the service is built.
//!
//! The document is our own, so what it does not use of OpenAPI is not understood here; a reference that
//! leads nowhere is shown as it stands.

use ballot::PollId;
use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::{Language, Paths, layout};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The page of an OpenAPI document. Its frame speaks the visitor's language; the API speaks English.
pub fn api_page(language: Language, document: &Value) -> String {
    let operations = operations(document);
    let main = html! {
        main.api lang="en" {
            h1 { (text(document, "/info/title")) " API" }
            p { (rich(text(document, "/info/description"))) }
            p {
                "The same for programs: "
                a href="/openapi.json" { "openapi.json" }
                ". In the examples " code { "$URL" } " is where the service is, and " code { "$TOKEN" } " an organizer's token."
            }
            nav.contents aria-label="Operations" {
                ul {
                    @for operation in &operations {
                        li {
                            a href={ "#" (operation.id()) } { (operation.heading()) }
                            " " (rich(operation.text("/summary")))
                        }
                    }
                }
            }
            @for operation in &operations { (operation.section(document)) }
            h2 #schemas { "Schemas" }
            @for (name, schema) in members(document, "/components/schemas") {
                section #{ "schema-" (name) } {
                    h3 { (name) }
                    (fields(schema))
                }
            }
        }
    };
    let paths = Paths::of(&PollId::default());
    layout::page(language, language.texts().api, &paths, &[], main)
}

struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    value: &'a Value,
}

/// In the order of the document.
fn operations(document: &Value) -> Vec<Operation<'_>> {
    members(document, "/paths")
        .flat_map(|(path, item)| {
            METHODS.iter().filter_map(move |&method| {
                let value = item.get(method)?;
                Some(Operation {
                    method,
                    path,
                    value,
                })
            })
        })
        .collect()
}

impl Operation<'_> {
    fn id(&self) -> &str {
        self.text("/operationId")
    }

    fn text(&self, pointer: &str) -> &str {
        text(self.value, pointer)
    }

    fn heading(&self) -> Markup {
        html! { code { span.method { (self.method.to_ascii_uppercase()) } " " (self.path) } }
    }

    fn section(&self, document: &Value) -> Markup {
        let parameters = self.value["parameters"].as_array();
        let contents = &self.value["requestBody"]["content"];
        html! {
            section #(self.id()) {
                h2 { (self.heading()) }
                p { (rich(self.text("/summary"))) "." }
                @if !self.text("/description").is_empty() { p { (rich(self.text("/description"))) } }
                pre { code { (self.curl(document)) } }
                @if let Some(parameters) = parameters {
                    h3 { "Parameters" }
                    dl {
                        @for parameter in parameters.iter().map(|it| resolve(document, it)) {
                            dt { code { (text(parameter, "/name")) } " in the " (text(parameter, "/in")) }
                            dd { (rich(text(parameter, "/description"))) " " (kind(&parameter["schema"])) }
                        }
                    }
                }
                @for (content_type, content) in contents.as_object().into_iter().flatten() {
                    h3 { "Body, " code { (content_type) } }
                    @match content["schema"].get("$ref") {
                        Some(_) => p { (kind(&content["schema"])) },
                        None => (fields(&content["schema"])),
                    }
                }
                h3 { "Answers" }
                dl {
                    @for (status, answer) in members(self.value, "/responses") {
                        (response(document, status, resolve(document, answer)))
                    }
                }
            }
        }
    }

    /// A command that sends it.
    fn curl(&self, document: &Value) -> String {
        let mut command = String::from("curl");
        // GET, and POST with a body, go without saying.
        if !["get", "post"].contains(&self.method) {
            command.push_str(&format!(" -X {}", self.method.to_ascii_uppercase()));
        }
        let security = self.value["security"].as_array();
        if security.is_some_and(|ways| ways.iter().all(|way| way["organizer"].is_array())) {
            command.push_str(" -H \"Authorization: Bearer $TOKEN\"");
        }
        let contents = self.value["requestBody"]["content"].as_object();
        if let Some((content_type, content)) = contents.and_then(|contents| contents.iter().next())
        {
            let body = match content_type.as_str() {
                "application/json" => content["example"].to_string(),
                _ => format!("option={}", text(content, "/example/option")),
            };
            command.push_str(&format!(" -d '{body}'"));
        }
        let mut path = self.path.to_owned();
        for parameter in self.value["parameters"].as_array().into_iter().flatten() {
            let parameter = resolve(document, parameter);
            let name = text(parameter, "/name");
            match (text(parameter, "/in"), parameter["example"].as_str()) {
                ("header", Some(example)) => command.push_str(&format!(" -H '{name}: {example}'")),
                ("path", example) => {
                    path = path.replace(&format!("{{{name}}}"), example.unwrap_or("my-vote"));
                }
                _ => {}
            }
        }
        format!("{command} $URL{path}")
    }
}

fn response(document: &Value, status: &str, answer: &Value) -> Markup {
    html! {
        dt { code { (status) } }
        dd {
            (rich(text(answer, "/description")))
            @for (content_type, content) in members(answer, "/content") {
                br;
                code { (content_type) } " " (kind(&content["schema"]))
            }
            @for (name, header) in members(answer, "/headers") {
                br;
                code { (name) } ": " (rich(text(resolve(document, header), "/description")))
            }
        }
    }
}

/// The fields of an object, or what else a schema allows.
fn fields(schema: &Value) -> Markup {
    let required = schema["required"].as_array();
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|it| it == name));
    html! {
        @if !text(schema, "/description").is_empty() { p { (rich(text(schema, "/description"))) } }
        @if schema["properties"].is_object() {
            dl {
                @for (name, field) in members(schema, "/properties") {
                    dt { code { (name) } @if !is_required(name) { " (optional)" } }
                    dd { (kind(field)) " " (rich(text(field, "/description"))) }
                }
            }
        } @else {
            p { (kind(schema)) }
        }
    }
}

/// What a value may be, in a few words.
fn kind(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return html! { a href={ "#schema-" (name) } { (name) } };
    }
    if let Some(values) = schema["enum"].as_array() {
        return html! {
            "one of " @for (at, value) in values.iter().enumerate() { @if at > 0 { ", " } code { (value) } }
        };
    }
    if !schema["const"].is_null() {
        return html! { code { (schema["const"]) } };
    }
    html! {
        (text(schema, "/type"))
        @if let Some(format) = schema["format"].as_str() { ", " (format) }
        @if let Some(most) = schema["maxLength"].as_u64() { ", at most " (most) " characters" }
        @if let Some(most) = schema["maximum"].as_f64() { ", at most " (most) }
        @for part in schema["allOf"].as_array().into_iter().flatten() {
            ". " (rich(text(part, "/description")))
        }
    }
}

/// Text in which backticks mark code.
fn rich(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn members<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let members: Option<&Map<_, _>> = value.pointer(pointer).and_then(Value::as_object);
    members.into_iter().flatten()
}

/// What a `$ref` stands for.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"]
        .as_str()
        .and_then(|name| name.strip_prefix('#'));
    pointer
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_operation_has_a_section_with_a_command() {
        let document = json!({
            "info": { "title": "T", "description": "a `b` <c>" },
            "paths": {
                "/votes/{vote_id}": { "get": {
                    "operationId": "getReceipt", "summary": "A receipt",
                    "parameters": [
                        { "name": "vote_id", "in": "path" },
                        { "$ref": "#/components/parameters/Prefer" },
                    ],
                    "responses": { "404": { "$ref": "#/components/responses/NotFound" } },
                } },
                "/polls/{poll}": { "delete": {
                    "operationId": "deletePoll", "security": [{ "organizer": [] }],
                    "parameters": [{ "name": "poll", "in": "path", "example": "old" }],
                } },
                "/vote": { "post": {
                    "operationId": "cast",
                    "requestBody": { "content": { "application/json": { "example": { "option": "cats" } } } },
                } },
            },
            "components": {
                "parameters": { "Prefer": { "name": "Prefer", "in": "header", "example": "wait=2" } },
                "responses": { "NotFound": { "description": "No such vote." } },
            },
        });
        let page = api_page(Language::German, &document);
        for expected in [
            "<html lang=\"de\">",
            "a <code>b</code> &lt;c&gt;",
            "<section id=\"getReceipt\">",
            "curl -H 'Prefer: wait=2' $URL/votes/my-vote",
            "No such vote.",
            "curl -d '{\"option\":\"cats\"}' $URL/vote",
            "curl -X DELETE -H \"Authorization: Bearer $TOKEN\" $URL/polls/old",
        ] {
            assert!(
                page.contains(&expected.replace('"', "&quot;")) || page.contains(expected),
                "{expected}: {page}"
            );
        }
    }
}
