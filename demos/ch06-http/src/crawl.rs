//! # A crawler: every page once, and knowing when to stop
//!
//! Nine pages link to one another, and each visit pauses for 1 tick to spare the server. Four visits at a time need 3
//! ticks, one at a time 9. They meet 73 links, the first one included, and make 9 requests, because a link goes into
//! the queue only if it is new. The crawl is over when the queue is empty and no visit is under way. An empty queue
//! alone is not the end: with four at a time it is empty after 6 visits, while three more are under way.
//!
//! asyncio: Queue
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! async def worker():
//!     while True:    # and visit returns [] instead of raising: a worker that ended would leave task_done out
//!         for link in await visit(await queue.get()):
//!             if link not in seen: seen.add(link); queue.put_nowait(link)
//!         queue.task_done()    # not before its links are in the queue
//! await queue.join()           # nothing left and nothing under way: now cancel the workers
//! ```
//!
//! Not the same:  in asyncio the workers share the queue, and `task_done` and `join` count what is under way (see
//! `queues/task-done`). Here one loop owns the queue, the set of links and the visits, and the visits return what
//! they find. So nothing is shared, and at the end nothing is left to cancel.

use std::collections::{HashSet, VecDeque};

use anyhow::Result;
use futures_util::{StreamExt, stream::FuturesUnordered};
use reqwest::Client;
use timing::{
    Timings,
    law::{sum, waves},
    ticks,
};
use tokio::time::sleep;
use tracing::instrument;
use web::Server;

use crate::options::Options;

const PAGES: u32 = 9;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::choose(options.server.as_ref(), t).await?;
    let client = &server.client()?;
    let start = &format!("/links/{PAGES}/0");
    let visit = |page| visit(page, client, server);

    let law = sum([1; PAGES as usize]);
    let found = t.time("one at a time", law, crawl(start, 1, visit)).await?;
    count(t, &found, server);

    // The waves are 1 + 4 + 4: before the first page is read there is one link.
    let law = waves(PAGES, 4, 1);
    let all = crawl(start, 4, visit);
    let found = t.time("four at a time", law, all).await?;
    count(t, &found, server);
    Ok(())
}

async fn crawl<V: Future<Output = Result<Vec<String>>>>(
    start: &str,
    at_once: usize,
    visit: impl Fn(String) -> V,
) -> Result<Found> {
    let (mut found, mut visits) = (Found::default(), FuturesUnordered::new());
    found.add(start.to_owned());
    loop {
        while visits.len() < at_once
            && let Some(page) = found.queue.pop_front()
        {
            visits.push(visit(page));
        }
        found.most_visits = found.most_visits.max(visits.len());
        // `None` says that no visit is under way, and after the loop above that no page is in the queue either.
        let Some(links) = visits.next().await else {
            return Ok(found);
        };
        // The first page that fails ends the crawl. To go on, the error would be kept beside the page's name.
        links?.into_iter().for_each(|link| found.add(link));
        found.finished += 1;
        if found.queue.is_empty() {
            // Not the end: a page that is being visited has left the queue, and its links aren't in it yet.
            found.first_empty_after.get_or_insert(found.finished);
        }
    }
}

#[derive(Default)]
struct Found {
    queue: VecDeque<String>,
    /// Everything that has ever been in the queue.
    seen: HashSet<String>,
    links: usize,
    finished: usize,
    first_empty_after: Option<usize>,
    most_visits: usize,
}

impl Found {
    /// A link counts as seen from here on, and not from its visit: until then other pages could add it again.
    fn add(&mut self, link: String) {
        self.links += 1;
        if self.seen.insert(link.clone()) {
            self.queue.push_back(link);
        }
    }
}

#[instrument(ret, err, skip(client, server))]
async fn visit(page: String, client: &Client, server: &Server) -> Result<Vec<String>> {
    let response = client.get(server.url(&page)).send().await?;
    let html = response.error_for_status()?.text().await?;
    // The pause is a part of the visit, so four visits at a time send four requests a tick at most.
    sleep(ticks(1)).await;
    // httpbin writes its links in one form only. Pages of the real web need a parser.
    let links = html.split("href='").skip(1);
    let links = links.filter_map(|rest| rest.split_once('\''));
    Ok(links.map(|(link, _)| link.to_owned()).collect())
}

fn count(t: &mut Timings, found: &Found, server: &Server) {
    t.count("links met", found.links);
    t.count("visits", found.finished);
    let first_empty = found.first_empty_after.unwrap_or_default();
    t.count("queue first empty after", first_empty);
    t.count("at once", found.most_visits);
    server.count_requests(t);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::cell::RefCell;
    use timing::on_virtual_clock;

    #[tokio::test]
    async fn every_page_is_fetched_once_although_eight_others_link_to_it() {
        let t = Timings::of_default(run).await;
        for label in ["one at a time", "four at a time"] {
            assert_eq!(*t[label].count("links met"), 73, "{label}");
            assert_eq!(*t[label].count("visits"), PAGES, "{label}");
            assert_eq!(*t[label].count("requests"), PAGES, "{label}");
        }
    }

    #[tokio::test]
    async fn four_visits_at_a_time_and_no_more() {
        let t = Timings::of_default(run).await;
        let four = &t["four at a time"];
        assert_eq!(*four.count("at once"), 4);
        assert!(four.elapsed >= ticks(3));
        assert_eq!(*t["one at a time"].count("at once"), 1);
    }

    #[tokio::test]
    async fn an_empty_queue_is_no_end_while_a_visit_is_under_way() {
        let t = Timings::of_default(run).await;
        let four = &t["four at a time"];
        assert_eq!(*four.count("queue first empty after"), 6);
        assert_eq!(*four.count("visits"), 9);
    }

    /// The pages that can be reached from page 0, without a crawler.
    fn reachable(web: &[Vec<usize>]) -> HashSet<usize> {
        let mut reached = HashSet::from([0]);
        let mut rest = vec![0];
        while let Some(page) = rest.pop() {
            rest.extend(web[page].iter().filter(|&&link| reached.insert(link)));
        }
        reached
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn all_that_can_be_reached_is_visited_once(
            (web, pauses) in (1_usize..20).prop_flat_map(|pages| {
                (vec(vec(0..pages, 0..6), pages), vec(0_u32..5, pages))
            }),
            at_once in 1_usize..6,
        ) {
            on_virtual_clock(async {
                let visited = RefCell::new(Vec::new());
                let visit = async |page: String| {
                    let page: usize = page.parse()?;
                    visited.borrow_mut().push(page);
                    sleep(ticks(pauses[page])).await;
                    Ok(web[page].iter().map(usize::to_string).collect())
                };
                let found = crawl("0", at_once, visit).await.unwrap();
                let reachable = reachable(&web);
                prop_assert_eq!(visited.borrow().len(), reachable.len());
                prop_assert_eq!(visited.take().into_iter().collect::<HashSet<_>>(), reachable);
                prop_assert!(found.most_visits <= at_once);
                Ok(())
            })?;
        }
    }
}
