//! The chapter's lessons: found by name, listed, printed.

use lesson::Header;

use crate::{Lesson, usage::Usage};

/// A chapter's lessons with their headers.
pub struct Catalogue<'a, O> {
    package: &'a str,
    pub chapter: &'a str,
    pub entries: Vec<Entry<'a, O>>,
}

/// One lesson and what its file says of itself.
pub struct Entry<'a, O> {
    pub lesson: &'a Lesson<O>,
    pub name: String,
    pub header: Header,
}

impl<'a, O> Catalogue<'a, O> {
    pub fn new(package: &'a str, lessons: &'a [Lesson<O>]) -> Self {
        let entries = lessons.iter().map(|lesson| Entry {
            lesson,
            name: lesson::kebab(lesson.module),
            header: Header::parse(lesson.source),
        });
        let chapter = lesson::chapter_name(package).unwrap_or(package);
        Self {
            package,
            chapter,
            entries: entries.collect(),
        }
    }

    /// The lessons of these names, in this order; all of them for no name.
    pub fn select(&self, names: &[String]) -> Result<Vec<&Entry<'a, O>>, Usage> {
        if names.is_empty() {
            return Ok(self.entries.iter().collect());
        }
        names.iter().map(|name| self.find(name)).collect()
    }

    fn find(&self, typed: &str) -> Result<&Entry<'a, O>, Usage> {
        let own = typed
            .strip_prefix(self.chapter)
            .and_then(|rest| rest.strip_prefix('/'));
        let name = lesson::kebab(own.unwrap_or(typed)).to_lowercase();
        self.entries
            .iter()
            .find(|entry| entry.name == name)
            .ok_or_else(|| {
                let chapter = self.chapter;
                let names = self.entries.iter().map(|entry| entry.name.as_str());
                let near = lesson::near(&name, names);
                let hint = if near.is_empty() {
                    String::new()
                } else {
                    format!("; did you mean {}?", near.join(" or "))
                };
                Usage::wrong(
                    typed,
                    format!("{chapter} has no such lesson{hint}"),
                    format!("all lessons: cargo demo {chapter} --list"),
                )
            })
    }

    /// Name, title and asyncio names of lessons, a line and a half each.
    pub fn list(&self, entries: &[&Entry<'a, O>]) -> String {
        let width = entries
            .iter()
            .map(|entry| entry.name.len())
            .max()
            .unwrap_or(0);
        let lines = entries.iter().map(|Entry { name, header, .. }| {
            let asyncio = header.asyncio.join(", ");
            format!(
                "  {name:width$}   {}\n  {:width$}   asyncio: {asyncio}\n",
                header.title, ""
            )
        });
        lines.collect()
    }

    /// Where the lesson's file is, from the workspace's root.
    pub fn path(&self, entry: &Entry<'a, O>) -> String {
        format!("demos/{}/src/{}.rs", self.package, entry.lesson.module)
    }

    /// The lesson after this one, as `chapter/lesson`.
    pub fn next(&self, entry: &Entry<'a, O>) -> Option<String> {
        let place = self
            .entries
            .iter()
            .position(|other| other.name == entry.name)?;
        let next = self.entries.get(place + 1)?;
        Some(format!("{}/{}", self.chapter, next.name))
    }
}
