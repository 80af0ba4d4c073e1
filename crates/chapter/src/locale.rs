//! Whether the terminal understands more than ASCII.

/// Whether the locale says UTF-8: the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set decides, as in libc.
pub fn is_utf8() -> bool {
    let first = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(std::env::var_os)
        .find(|value| !value.is_empty());
    first.is_some_and(|value| says_utf8(&value.to_string_lossy()))
}

fn says_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::says_utf8;

    #[test]
    fn utf8_is_spelt_in_two_ways() {
        assert!(says_utf8("en_GB.UTF-8") && says_utf8("C.utf8"));
        assert!(!says_utf8("C") && !says_utf8("de_DE.ISO-8859-1"));
    }
}
