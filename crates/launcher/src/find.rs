//! What a word means: the first level with a hit decides.

use lesson::{chapter_number, kebab, near};

use crate::{
    print::Failure,
    workspace::{Chapter, Lesson, Workspace},
};

/// What a word stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Hit<'w> {
    Chapter(&'w Chapter),
    /// One or more, in reading order.
    Lessons(Vec<(&'w Chapter, &'w Lesson)>),
}

/// The levels, in this order: chapter, `chapter/lesson`, lesson, asyncio name, part of a title.
pub fn find<'w>(workspace: &'w Workspace, word: &str) -> Result<Hit<'w>, Failure> {
    if let Some(chapter) = chapter(workspace, word) {
        return Ok(Hit::Chapter(chapter));
    }
    if let Some((before, name)) = word.split_once('/')
        && let Some(chapter) = chapter(workspace, before)
    {
        return match lesson(chapter, name) {
            Some(lesson) => Ok(Hit::Lessons(vec![(chapter, lesson)])),
            None if name.is_empty() => Ok(Hit::Chapter(chapter)),
            None => Err(no_such_lesson(workspace, chapter, name)),
        };
    }
    let name = kebab(&word.to_lowercase());
    let levels: [&dyn Fn(&Lesson) -> bool; 4] = [
        &|lesson| lesson.name == name,
        // Who names a module means that one: `asyncio.Lock` is `Lock` of the lessons, `threading.Lock` isn't. A module
        // that no lesson names is ignored.
        &|lesson| word.contains('.') && any_name(lesson, |name| name == asyncio(word)),
        &|lesson| any_name(lesson, |name| same_asyncio_name(&name, &asyncio(word))),
        &|lesson| !plain(word).is_empty() && plain(&lesson.header.title).contains(&plain(word)),
    ];
    for is_hit in levels {
        let hits: Vec<_> = workspace
            .lessons()
            .filter(|(_, lesson)| is_hit(lesson))
            .collect();
        if !hits.is_empty() {
            return Ok(Hit::Lessons(hits));
        }
    }
    Err(nothing(workspace, word))
}

/// The name of the lesson that `word` is in `chapter`: everything behind the first word is lessons of one chapter.
pub fn lesson_of(workspace: &Workspace, within: &Chapter, word: &str) -> Result<String, Failure> {
    let name = match word.split_once('/') {
        Some((before, name)) if chapter(workspace, before) == Some(within) => name,
        _ => word,
    };
    // A list that can't be read here is left to the chapter itself.
    if within.lessons.is_empty() {
        return Ok(name.to_owned());
    }
    match lesson(within, name) {
        Some(lesson) => Ok(lesson.name.clone()),
        None => Err(no_such_lesson(workspace, within, name)),
    }
}

/// `basics`, `ch01-basics`, `ch01`, `01` and `1` are one chapter.
pub fn chapter<'w>(workspace: &'w Workspace, word: &str) -> Option<&'w Chapter> {
    let word = kebab(&word.to_lowercase());
    let digits = word.strip_prefix("ch").unwrap_or(&word);
    let number: Option<u32> = digits.parse().ok();
    workspace.chapters.iter().find(|chapter| {
        chapter.name == word
            || chapter.package == word
            || (number.is_some() && number == chapter_number(&chapter.package))
    })
}

fn lesson<'w>(chapter: &'w Chapter, word: &str) -> Option<&'w Lesson> {
    let name = kebab(&word.to_lowercase());
    chapter.lessons.iter().find(|lesson| lesson.name == name)
}

fn any_name(lesson: &Lesson, is_it: impl Fn(String) -> bool) -> bool {
    let mut names = lesson.header.asyncio.iter();
    names.any(|name| is_it(asyncio(name)))
}

/// A name as it is compared: `asyncio.gather()` is `gather`.
fn asyncio(name: &str) -> String {
    let name = name.replace('`', "").to_lowercase();
    let name = name.strip_suffix("()").unwrap_or(&name);
    name.strip_prefix("asyncio.").unwrap_or(name).to_owned()
}

/// One may say more than the other, at the front: `cancel` is `Task.cancel`.
fn same_asyncio_name(a: &str, b: &str) -> bool {
    let ends_with = |long: &str, short: &str| {
        long.strip_suffix(short)
            .is_some_and(|front| front.is_empty() || front.ends_with('.'))
    };
    !a.is_empty() && !b.is_empty() && (ends_with(a, b) || ends_with(b, a))
}

fn plain(title: &str) -> String {
    title.replace('`', "").to_lowercase()
}

fn nothing(workspace: &Workspace, word: &str) -> Failure {
    let chapters = workspace.chapters.iter().map(|chapter| &chapter.name);
    let lessons = workspace.lessons().map(|(_, lesson)| &lesson.name);
    let asyncio = workspace
        .lessons()
        .flat_map(|(_, lesson)| &lesson.header.asyncio);
    let names = chapters.chain(lessons).chain(asyncio);
    let near = near(word, names.map(String::as_str));
    suggest(format!("nothing here is called `{word}`"), &near, "")
        .unwrap_or_else(|failure| failure.way_out("cargo demo lists the chapters"))
}

fn no_such_lesson(workspace: &Workspace, within: &Chapter, word: &str) -> Failure {
    let here = &within.name;
    let message = format!("{here} has no lesson `{word}`");
    if chapter(workspace, word.split('/').next().unwrap_or(word)).is_some() {
        return Failure::usage(message)
            .way_out(&format!("one chapter a run: cargo demo {word}, or --all"));
    }
    let names = within.lessons.iter().map(|lesson| lesson.name.as_str());
    suggest(message, &near(word, names), &format!("{here} ")).unwrap_or_else(|failure| {
        let elsewhere = workspace.chapters.iter().find_map(|chapter| {
            let lesson = lesson(chapter, word)?;
            Some(format!("cargo demo {} {}", chapter.name, lesson.name))
        });
        match elsewhere {
            Some(command) => failure.way_out(&format!("it is in another chapter: {command}")),
            None => failure.way_out(&format!("cargo demo {here} --list shows them")),
        }
    })
}

/// The failure with its near misses, or, as an error, the failure that has none.
fn suggest(message: String, near: &[&str], prefix: &str) -> Result<Failure, Failure> {
    let Some(best) = near.first() else {
        return Err(Failure::usage(message));
    };
    let all = near.join(", ");
    // A name with blanks or brackets would not survive the shell.
    let is_word = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    let best = match best.chars().all(is_word) {
        true => (*best).to_owned(),
        false => format!("\"{best}\""),
    };
    let failure = Failure::usage(format!("{message}; near: {all}"));
    Ok(failure.way_out(&format!("for instance: cargo demo {prefix}{best}")))
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
