//! Whether a terminal understands more than ASCII.

/// Whether the locale says UTF-8: the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set and not empty decides, as in
/// libc. None of them means the C locale, which is ASCII.
///
/// ```
/// let dots = if lesson::is_utf8() { "…" } else { "..." };
/// println!("loading {dots}");
/// ```
pub fn is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(std::env::var_os);
    first_says_utf8(set.map(|value| value.to_string_lossy().into_owned()))
}

fn first_says_utf8(mut set: impl Iterator<Item = String>) -> bool {
    set.find(|value| !value.is_empty()).is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::first_says_utf8;

    #[test]
    fn the_first_variable_that_says_something_decides() {
        for (set, utf8) in [
            (&["", "de_DE.UTF-8"][..], true),
            (&["C.utf8", "C"], true),
            (&["C", "de_DE.UTF-8"], false),
            (&["de_DE.ISO-8859-1"], false),
            (&[], false),
        ] {
            let set_to = set.iter().map(|&value| value.to_owned());
            assert_eq!(first_says_utf8(set_to), utf8, "{set:?}");
        }
    }
}
