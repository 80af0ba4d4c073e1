//! Rust sources, read well enough to tell code from what is only written about it.

/// The source with comments and the insides of texts blanked; lines stay where they are.
pub fn code(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut code = String::new();
    let mut i = 0;
    while i < chars.len() {
        let end = match chars[i] {
            '/' if chars.get(i + 1) == Some(&'/') => line_end(&chars, i),
            '/' if chars.get(i + 1) == Some(&'*') => block_end(&chars, i),
            '"' => text_end(&chars, i),
            'r' if !code.ends_with(is_name) => raw_end(&chars, i).unwrap_or(i),
            '\'' => char_end(&chars, i),
            _ => i,
        };
        if end == i {
            code.push(chars[i]);
            i += 1;
        } else {
            code.extend(
                chars[i..end]
                    .iter()
                    .map(|c| if *c == '\n' { '\n' } else { ' ' }),
            );
            i = end;
        }
    }
    code
}

/// [`code`] without the `#[cfg(test)] mod … { … }` blocks.
pub fn code_outside_tests(source: &str) -> String {
    let code = code(source);
    let mut kept = String::new();
    let mut lines = code.lines().peekable();
    while let Some(line) = lines.next() {
        let module = lines.peek().filter(|next| next.starts_with("mod "));
        match module {
            Some(module) if line.trim_end() == "#[cfg(test)]" => {
                let is_elsewhere = module.trim_end().ends_with(';');
                // rustfmt closes a module at the margin, where nothing inside it ends.
                lines.find(|line| is_elsewhere || line.trim_end() == "}");
            }
            _ => {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    kept
}

/// The attributes that begin with this path, from `#[` to the bracket that closes them.
pub fn attributes<'a>(code: &'a str, path: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("#[") {
        let inside = &code[start + 2..];
        let mut depth = 1;
        let end = inside.find(|c| {
            match c {
                '[' => depth += 1,
                ']' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let inside = &inside[..end.unwrap_or(inside.len())];
        let name = inside.split(|c| !is_name(c) && c != ':').next();
        if name.is_some_and(|name| name.rsplit("::").next() == Some(path)) {
            found.push(inside);
        }
    }
    found
}

/// Whether `word` stands in the code as a whole word.
pub fn has_word(code: &str, word: &str) -> bool {
    code.split(|c| !is_name(c)).any(|name| name == word)
}

pub fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line_end(chars: &[char], from: usize) -> usize {
    let rest = chars[from..].iter().position(|c| *c == '\n');
    rest.map_or(chars.len(), |n| from + n)
}

fn block_end(chars: &[char], from: usize) -> usize {
    let (mut i, mut depth) = (from, 0);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i.min(chars.len())
}

fn text_end(chars: &[char], from: usize) -> usize {
    let mut i = from + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// The end of `r#"…"#`; `None` for a name that begins with the letter.
fn raw_end(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from + 1..].iter().take_while(|c| **c == '#').count();
    let open = from + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let mut close = vec!['"'];
    close.resize(hashes + 1, '#');
    let rest = &chars[open + 1..];
    let length = rest.windows(close.len()).position(|window| window == close);
    Some(length.map_or(chars.len(), |n| open + 1 + n + close.len()))
}

/// The end of `'x'` or `'\n'`; a lifetime ends where it starts.
fn char_end(chars: &[char], from: usize) -> usize {
    if chars.get(from + 1) == Some(&'\\') {
        let rest = chars[from + 3..].iter().position(|c| *c == '\'');
        return rest.map_or(chars.len(), |n| from + 3 + n + 1);
    }
    if chars.get(from + 2) == Some(&'\'') {
        from + 3
    } else {
        from
    }
}

#[test]
fn comments_and_texts_are_not_code() {
    let source = r###"
let a = "println!(\"x\")"; // dbg!(a)
/* eprintln! /* nested */ still */ let b = r#"dbg!("")"#;
let c = '"'; let d: &'static str = "x"; let r = '\''; real();
"###;
    let code = code(source);
    for gone in ["println", "dbg", "still", "x"] {
        assert!(!code.contains(gone), "{gone}: {code}");
    }
    for kept in ["let b", "let c", "'static str", "let r", "real()"] {
        assert!(code.contains(kept), "{kept}: {code}");
    }
    assert_eq!(code.lines().count(), source.lines().count());
}

#[test]
fn tests_are_cut_out_and_what_follows_them_is_not() {
    let source = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n#[cfg(test)]\nfn d() {}\n";
    let code = code_outside_tests(source);
    assert!(code.contains("fn a") && code.contains("fn c") && code.contains("fn d"));
    assert!(!code.contains("fn b"), "{code}");
    let code = code_outside_tests("#[cfg(test)]\nmod tests;\nfn c() {}\n}\n");
    assert!(code.contains("fn c"), "{code}");
}

#[test]
fn an_attribute_may_span_lines_and_hold_brackets() {
    let code = "#[tracing::instrument(\n  fields(a = [1]),\n  ret)]\nfn a() {}\n#[instrument]\n#[instrumented(ret)]\n";
    let found = attributes(code, "instrument");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(has_word(found[0], "ret"));
    assert!(!has_word(found[1], "ret"));
    assert!(!has_word("return_value", "ret"));
}
