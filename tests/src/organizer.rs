//! Somebody who has signed in at `/organize`.

use reqwest::{Method, RequestBuilder};

use crate::{Answer, Client, World};

/// The fields of a form.
pub type Fields<'a> = &'a [(&'a str, &'a str)];

pub async fn sign_in(world: &World, token: &str, headers: Fields<'_>) -> Answer {
    let mut request = world
        .request(Method::POST, "/organize/sign-in")
        .form(&[("token", token)]);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

/// The browser of somebody who has signed in.
pub struct Organizer {
    pub client: Client,
    pub cookie: String,
    /// What all forms have in them.
    pub form_key: String,
}

impl Organizer {
    pub async fn at(world: &World) -> Self {
        let token = world.stack.secrets().organizer_token.clone();
        let answer = sign_in(world, &token, &[]).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(answer.header("location"), "/organize");
        let cookie = answer.header("set-cookie");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        assert!(!cookie.contains(&token));
        let mut organizer = Self {
            client: Client::of(world.url()),
            cookie,
            form_key: String::new(),
        };
        let desk = organizer.get("/organize").await;
        let (_, after) = desk.body.split_once("name=\"form_key\" value=\"").unwrap();
        after
            .split('"')
            .next()
            .unwrap()
            .clone_into(&mut organizer.form_key);
        organizer
    }

    /// A request for a page.
    pub fn page(&self, path: &str) -> RequestBuilder {
        let request = self.client.request(Method::GET, path);
        request.header("Cookie", &self.cookie)
    }

    /// A request with a form.
    pub fn form(&self, path: &str, fields: Fields<'_>) -> RequestBuilder {
        let key = [("form_key", self.form_key.as_str())];
        self.form_without_key(path, &[&key, fields].concat())
    }

    fn form_without_key(&self, path: &str, fields: Fields<'_>) -> RequestBuilder {
        let request = self.client.request(Method::POST, path);
        request.header("Cookie", &self.cookie).form(fields)
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.page(path)).await
    }

    pub async fn post(&self, path: &str, fields: Fields<'_>) -> Answer {
        Answer::of(self.form(path, fields)).await
    }

    pub async fn post_without_key(&self, path: &str, fields: Fields<'_>) -> Answer {
        Answer::of(self.form_without_key(path, fields)).await
    }
}
