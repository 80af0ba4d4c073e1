//! # `post`: what is sent, and what the server gets
//!
//! A comment is posted in four ways, and the server echoes what it got. `json` sends JSON, where 5 stars are a
//! number. `form` sends a form, where every value is text: "5". Both set the Content-Type, from which the server
//! knows how to read the body. A form that is put together by hand breaks at the first `&`: the text "tea & cake"
//! arrives as "tea ". `body` sends the text as it is given, without a Content-Type, and no stars.
//!
//! asyncio: aiohttp.ClientSession.post, post, FormData
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! comment = {"text": "tea & cake", "stars": 5}
//! async with session.post(url, json=comment) as response:
//!     told = await response.json()
//! async with session.post(url, data={"text": "tea & cake", "stars": "5"}) as response: ...    # data="tea" is text
//! ```
//!
//! Not the same: aiohttp's `data=` looks at its argument: a dict becomes a form, a str text/plain, bytes an
//! octet-stream, each with its Content-Type. In reqwest the method decides, and `body` adds no Content-Type. `json=`
//! takes whatever `json.dumps` does, and a misspelt key is sent as it is; here one struct says which fields there
//! are, for both formats.

use std::collections::BTreeMap;

use anyhow::Result;
use reqwest::{RequestBuilder, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use timing::{Timings, law::at_most};
use tracing::instrument;
use web::Server;

use crate::options::Options;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = Server::choose(options.server.as_ref(), t).await?;
    let (client, url) = (server.client()?, server.url("/post"));
    let comment = Comment {
        text: "tea & cake",
        stars: 5,
    };

    // Nothing here waits, so a tick is plenty. How much less it takes is not the subject.
    let request = client.post(&url).json(&comment);
    let told = t.time("json", at_most(1), post("json", request)).await?;
    count(t, &told, &told.json);

    let request = client.post(&url).form(&comment);
    let told = t.time("form", at_most(1), post("form", request)).await?;
    count(t, &told, &told.form);

    // In a form `&` separates two fields. `form` writes it as `%26`, and this doesn't.
    let by_hand = format!("text={}&stars={}", comment.text, comment.stars); // <- the difference
    let form = "application/x-www-form-urlencoded";
    let request = client.post(&url).header(CONTENT_TYPE, form).body(by_hand);
    let told = t
        .time("a form by hand", at_most(1), post("by hand", request))
        .await?;
    count(t, &told, &told.form);

    let request = client.post(&url).body(comment.text);
    let told = t.time("body", at_most(1), post("body", request)).await?;
    count(t, &told, &json!({ "text": told.data }));
    Ok(())
}

/// Nothing is sent before this: what makes a request is a builder, and `send` sends it.
#[instrument(ret, err, skip(request))]
async fn post(how: &str, request: RequestBuilder) -> reqwest::Result<Told> {
    // Without `error_for_status`, an error page would be read as if it were the answer.
    request.send().await?.error_for_status()?.json().await
}

/// The values as JSON: text is in quotes, a number isn't, and a field that didn't arrive is null.
fn count(t: &mut Timings, told: &Told, fields: &Value) {
    let content_type = told.headers.get("Content-Type");
    t.count("Content-Type", content_type.map_or("none", String::as_str));
    t.count("text", fields["text"].to_string());
    t.count("stars", fields["stars"].to_string());
}

/// Says nothing of JSON or of forms. `Serialize` lists the fields, and the method writes them in its format.
#[derive(Serialize)]
struct Comment {
    text: &'static str,
    stars: u8,
}

/// What the server got, and how it read it: the fields of a form are in `form`, any other body is in `data`, and also
/// in `json` if it is JSON.
#[derive(Debug, Deserialize)]
struct Told {
    headers: BTreeMap<String, String>,
    json: Value,
    form: Value,
    data: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn json_keeps_the_number_and_a_form_makes_it_text() {
        let t = Timings::of_default(run).await;
        assert_eq!(*t["json"].count("stars"), "5");
        assert_eq!(*t["form"].count("stars"), r#""5""#);
        for variant in ["json", "form"] {
            assert_eq!(*t[variant].count("text"), r#""tea & cake""#);
        }
    }

    #[tokio::test]
    async fn json_and_form_say_what_the_body_is_and_body_does_not() {
        let t = Timings::of_default(run).await;
        let sent = |variant| t[variant].count("Content-Type");
        assert_eq!(*sent("json"), "application/json");
        assert_eq!(*sent("form"), "application/x-www-form-urlencoded");
        assert_eq!(*sent("body"), "none");
        assert_eq!(*t["body"].count("text"), r#""tea & cake""#);
    }

    #[tokio::test]
    async fn a_form_by_hand_loses_what_stands_behind_the_separator() {
        let t = Timings::of_default(run).await;
        let by_hand = &t["a form by hand"];
        assert_eq!(*by_hand.count("text"), r#""tea ""#);
        assert_eq!(
            by_hand.count("Content-Type"),
            t["form"].count("Content-Type")
        );
    }
}
