//! # A download that was cut: the rest, if it is still the same page
//!
//! The connection ends after 4 of 8 MiB. What came is kept, and the next request asks for the 4 MiB that are missing,
//! and for nothing twice. It also sends the page's ETag, as `If-Range`: if the page has changed meanwhile, the server
//! sends all 8 MiB of the new one. Without `If-Range` the second half of the new page is put behind the first half of
//! the old one. That request succeeds too, and only the hash shows what is wrong.
//!
//! asyncio: aiohttp.ClientPayloadError, ClientPayloadError, Range, If-Range, ETag
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! headers = {"Range": f"bytes={os.path.getsize(part)}-", "If-Range": etag, "Accept-Encoding": "identity"}
//! async with session.get(url, headers=headers, raise_for_status=True) as response, \
//!         aiofiles.open(part, "ab" if response.status == 206 else "wb") as file:
//!     async for piece in response.content.iter_chunked(65536):    # ClientPayloadError, if it is cut
//!         await file.write(piece)
//! ```
//!
//! Not the same: aiohttp raises a ClientPayloadError for a cut. In reqwest a cut has no type of its own: its error is
//! that of a body that can't be decoded, `is_decode` (see `http/faults`). Neither library asks for the rest by
//! itself.

use anyhow::{Context, Result, ensure};
use reqwest::{
    RequestBuilder, Response, StatusCode,
    header::{IF_RANGE, RANGE},
};
use timing::{Timings, law::at_least};
use tokio::fs;
use tracing::info;
use web::{Folder, Part, Server};

use crate::{
    download::{SIZE, page, save},
    options::Options,
};

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::stand_in(options.server.as_ref())?;
    let client = &server.client()?;
    let folder = Folder::temporary()?;
    let file = |name| folder.path().join(name);

    // The server pauses after every piece but the last, so it takes a little less than 2 ticks for the whole.
    let (page, whole, half) = (page(server, SIZE, 2), at_least(1.9), at_least(0.9));

    // The first answer of a key ends after so many bytes.
    let with_cut = format!("{page}&cut={}&key=a", SIZE / 2);
    let with_cut = || client.get(&with_cut);
    let cut = save(t, "cut", half.clone(), with_cut(), &file("a")).await;
    ensure!(cut.is_err(), "the server didn't cut it");

    // The last two variants go on from the same half. Only one of them knows the ETag of its page.
    fs::copy(file("a.part"), file("b.part")).await?;
    fs::copy(file("a.part"), file("c.part")).await?;
    fs::copy(file("a.part.etag"), file("c.part.etag")).await?; // <- the difference

    save(t, "resumed", half.clone(), with_cut(), &file("a")).await?;

    let changed = || client.get(format!("{page}&seed=1"));
    let mixed = save(t, "changed", half, changed(), &file("b")).await;
    ensure!(mixed.is_err(), "halves of two pages have the hash of one");
    save(t, "changed, If-Range", whole, changed(), &file("c")).await
}

/// Asks for what isn't there yet. Returns the answer that has it, and the hash of the whole page.
pub async fn ask(page: RequestBuilder, part: &mut Part) -> Result<(Option<Response>, String)> {
    let mut request = page;
    if part.bytes() > 0 {
        request = request.header(RANGE, format!("bytes={}-", part.bytes()));
        // The Range counts only if the page still has this ETag. Otherwise the server is to send all of it.
        if let Some(etag) = part.etag().await {
            request = request.header(IF_RANGE, etag);
        }
    }
    let response = request.send().await?;
    // Nothing is missing: a process that was killed got it all, and didn't get to the check.
    let is_whole = response.status() == StatusCode::RANGE_NOT_SATISFIABLE;
    if !is_whole {
        response.error_for_status_ref()?;
    }
    let header = |name| response.headers().get(name)?.to_str().ok();
    let digest = header("repr-digest").context("the server sent no hash")?;
    let digest = digest.to_owned();

    if is_whole {
        return Ok((None, digest));
    }
    if response.status() == StatusCode::PARTIAL_CONTENT {
        info!("the rest, from byte {}", part.bytes());
    } else {
        // The whole page, with or without a Range. A server may ignore that header.
        part.begin_again(header("etag")).await?;
    }
    Ok((Some(response), digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{
        Ended::{Failed, Returned},
        Value, Variant,
    };

    const HALF: u64 = SIZE / 2;

    fn bytes(variant: &Variant) -> [Value; 2] {
        ["there before", "received"].map(|what| variant.count(what).clone())
    }

    #[tokio::test]
    async fn after_a_cut_the_rest_is_received_and_nothing_twice() {
        let t = Timings::of_default(run).await;
        let [cut, resumed] = ["cut", "resumed"].map(|label| &t[label]);
        assert_eq!(bytes(cut), [0, HALF]);
        assert_eq!(*cut.count("result"), format!("cut at byte {HALF}").as_str());
        assert_eq!(cut.lane("download").ended, Failed);
        assert_eq!(bytes(resumed), [HALF, HALF]);
        assert_eq!(*resumed.count("result"), "whole");
        assert_eq!(resumed.lane("download").ended, Returned);
    }

    #[tokio::test]
    async fn a_page_that_has_changed_is_received_whole_with_if_range() {
        let t = Timings::of_default(run).await;
        let changed = &t["changed, If-Range"];
        assert_eq!(bytes(changed), [HALF, SIZE]);
        assert_eq!(*changed.count("result"), "whole");
    }

    #[tokio::test]
    async fn what_the_server_refuses_is_told_by_its_status() {
        let server = Server::stand_in(None).unwrap();
        let folder = Folder::temporary().unwrap();
        let mut part = Part::open(&folder.path().join("page")).await.unwrap();
        let page = server.client().unwrap().get(server.url("/status/404"));
        let refused = ask(page, &mut part).await.unwrap_err();
        assert!(refused.to_string().contains("404 Not Found"), "{refused}");
    }

    #[tokio::test]
    async fn without_if_range_two_pages_are_mixed_and_only_the_hash_tells() {
        let t = Timings::of_default(run).await;
        let mixed = &t["changed"];
        assert_eq!(bytes(mixed), [HALF, HALF]);
        assert_eq!(*mixed.count("result"), "its hash isn't the page's");
        assert_eq!(mixed.lane("download").ended, Failed);
    }
}
