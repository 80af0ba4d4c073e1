//! One name, three spellings: module, command line, folder.

/// A lesson's name as it is typed: `first_completed` becomes `first-completed`.
///
/// ```
/// assert_eq!(lesson::kebab("first_completed"), "first-completed");
/// ```
pub fn kebab(module: &str) -> String {
    module.replace('_', "-")
}

/// A lesson's name as its module and file have it: `first-completed` becomes `first_completed`.
///
/// ```
/// assert_eq!(lesson::snake("first-completed"), "first_completed");
/// ```
pub fn snake(name: &str) -> String {
    name.replace('-', "_")
}

/// The short name of a chapter's package; `None` for a package that is no chapter.
///
/// ```
/// assert_eq!(lesson::chapter_name("ch01-basics"), Some("basics"));
/// assert_eq!(lesson::chapter_name("timing"), None);
/// ```
pub fn chapter_name(package: &str) -> Option<&str> {
    split(package).map(|(_, name)| name)
}

/// The number in a chapter's package name; `None` for a package that is no chapter.
///
/// ```
/// assert_eq!(lesson::chapter_number("ch01-basics"), Some(1));
/// ```
pub fn chapter_number(package: &str) -> Option<u32> {
    split(package).and_then(|(number, _)| number.parse().ok())
}

/// `chNN-name` taken apart: two digits keep the folders in reading order.
fn split(package: &str) -> Option<(&str, &str)> {
    let (number, name) = package.strip_prefix("ch")?.split_once('-')?;
    let two_digits = number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit());
    (two_digits && !name.is_empty()).then_some((number, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ch_and_two_digits_make_a_chapter() {
        assert_eq!(chapter_name("ch12-experiment"), Some("experiment"));
        for package in ["ch1-basics", "ch01", "ch01-", "chapter", "chxx-a", "basics"] {
            assert_eq!(chapter_name(package), None, "{package}");
        }
    }
}
