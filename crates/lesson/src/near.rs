//! Near misses: what somebody may have meant.

/// How many suggestions still help; more of them are a list to read.
const AT_MOST: usize = 3;

/// The candidates that `word` may have been meant to be, best first, three at most.
///
/// Near is a small number of slips (a letter too many, one missing, a wrong one, two swapped), or a word that
/// is a part of the candidate. Case doesn't count, and `_` is `-`.
///
/// ```
/// let names = ["join", "join-errors", "cancel", "gather"];
/// assert_eq!(lesson::near("gahter", names), ["gather"]);
/// assert_eq!(lesson::near("join_", names), ["join", "join-errors"]);
/// assert!(lesson::near("xyzzy", names).is_empty());
/// ```
pub fn near<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let word = plain(word);
    let mut hits: Vec<(usize, &str)> = Vec::new();
    for candidate in candidates {
        if let Some(score) = score(&word, &plain(candidate))
            && hits.iter().all(|(_, known)| *known != candidate)
        {
            hits.push((score, candidate));
        }
    }
    hits.sort_by_key(|(score, _)| *score); // stable: equals keep the caller's order
    hits.into_iter()
        .take(AT_MOST)
        .map(|(_, candidate)| candidate)
        .collect()
}

fn plain(text: &str) -> Vec<char> {
    text.to_lowercase().replace('_', "-").chars().collect()
}

/// Smaller is nearer: a slip costs 2, so that one slip beats a mere beginning and two don't.
fn score(word: &[char], candidate: &[char]) -> Option<usize> {
    let length = word.len().max(candidate.len());
    if word.is_empty() || candidate.is_empty() {
        return None;
    }
    // One slip in three letters: with more, short words are near to everything.
    let slips = slips(word, candidate);
    let by_slips = (slips * 3 <= length).then_some(slips * 2);
    let by_part = if word.len() >= 2 && candidate.starts_with(word) {
        Some(3)
    } else if word.len() >= 3 && holds(candidate, word) {
        Some(5)
    } else if candidate.len() >= 4 && holds(word, candidate) {
        Some(6)
    } else {
        None
    };
    by_slips.into_iter().chain(by_part).min()
}

fn holds(whole: &[char], part: &[char]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

/// Damerau's distance (its "optimal string alignment" form): insertions, deletions, replacements and swaps of neighbours.
fn slips(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(a: &str, b: &str) -> usize {
        slips(&plain(a), &plain(b))
    }

    #[test]
    fn counts_every_kind_of_slip_once() {
        assert_eq!(distance("join", "join"), 0);
        assert_eq!(distance("jion", "join"), 1);
        assert_eq!(distance("jon", "join"), 1);
        assert_eq!(distance("joiin", "join"), 1);
        assert_eq!(distance("jain", "join"), 1);
        assert_eq!(distance("", "join"), 4);
    }

    #[test]
    fn the_nearest_stands_first_and_three_are_enough() {
        let names = [
            "first-exception",
            "first-completed",
            "first",
            "firsts",
            "fist",
        ];
        assert_eq!(near("first", names), ["first", "firsts", "fist"]);
        assert_eq!(near("FIRST_COMPLETE", names)[0], "first-completed");
    }

    #[test]
    fn a_part_is_near_from_its_beginning_or_its_middle() {
        assert_eq!(near("recur", ["recursion", "sleep"]), ["recursion"]);
        assert_eq!(
            near("without", ["await-without-yield"]),
            ["await-without-yield"]
        );
        assert_eq!(near("semaphores-and-more", ["semaphore"]), ["semaphore"]);
    }

    #[test]
    fn short_words_are_not_near_to_everything() {
        assert!(near("ab", ["cd", "xaby", "to"]).is_empty());
        assert!(near("", ["join"]).is_empty());
    }

    #[test]
    fn says_no_candidate_twice() {
        assert_eq!(near("lok", ["Lock", "Lock"]), ["Lock"]);
    }
}
