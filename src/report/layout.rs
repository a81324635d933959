//! Text for 80 columns.

use super::Style;

/// How wide a page is.
pub const WIDTH: usize = 80;

/// The text with nothing in it that a terminal would obey: control characters, and those that turn
/// the direction of what follows, are written as Rust writes them. A traced program chooses its
/// own name.
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// The lines that the text makes in that width, broken between words; a word that is longer than a
/// line (a path) stays whole. What stands in back quotes is to be typed as it stands, and is broken
/// only where it does not fit into a line.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in unbroken(text, width) {
        match lines.last_mut() {
            Some(last) if length(last) + 1 + length(&word) <= width => {
                last.push(' ');
                last.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// The words of a text, those within one pair of back quotes as one.
fn unbroken(text: &str, width: usize) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let is_open = |word: &String| word.matches('`').count() % 2 == 1;
        match words.last_mut() {
            Some(last) if is_open(last) && length(last) + 1 + length(word) <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// The same in so many lines at most, words that are longer than a line broken; what does not fit
/// is cut, with an ellipsis in its place.
pub fn wrap_cut(text: &str, width: usize, lines: usize) -> Vec<String> {
    let broken: Vec<String> = text
        .split_whitespace()
        .flat_map(|word| {
            let chars: Vec<char> = word.chars().collect();
            chars.chunks(width.max(1)).map(|part| part.iter().collect()).collect::<Vec<String>>()
        })
        .collect();
    let mut all = wrap(&broken.join(" "), width);
    if all.len() > lines {
        all.truncate(lines);
        if let Some(last) = all.last_mut() {
            let kept: String = last.chars().take(width.saturating_sub(2)).collect();
            *last = format!("{} \u{2026}", kept.trim_end());
        }
    }
    all
}

/// Cuts a text to a width, with `...` at its end if anything was cut.
pub fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

/// A page under construction.
#[derive(Debug)]
pub struct Page {
    style: Style,
    text: String,
}

impl Page {
    /// An empty one.
    pub fn new(style: Style) -> Page {
        Page { style, text: String::new() }
    }

    /// What has been written.
    pub fn finish(self) -> String {
        self.text
    }

    /// A line as it is.
    pub fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.line("");
    }

    /// A heading.
    pub fn heading(&mut self, text: &str) {
        let text = self.style.heading(text);
        self.line(&text);
    }

    /// A text, indented and wrapped.
    pub fn paragraph(&mut self, indent: usize, text: &str) {
        self.hanging(indent, indent, text);
    }

    /// A text whose first line is indented otherwise than the others.
    pub fn hanging(&mut self, first: usize, rest: usize, text: &str) {
        // Wrapped as if the first line began where the others do, that is as narrow as the
        // narrower of the two.
        for (n, line) in wrap(text, WIDTH - first.max(rest)).iter().enumerate() {
            let indent = if n == 0 { first } else { rest };
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    /// A label and, beside it, a text that stays in its column.
    pub fn field(&mut self, label: &str, column: usize, text: &str) {
        self.labelled(Style::faint, label, column, wrap(text, WIDTH - column));
    }

    /// The same, cut to so many lines.
    pub fn field_cut(&mut self, label: &str, column: usize, text: &str, lines: usize) {
        self.labelled(Style::faint, label, column, wrap_cut(text, WIDTH - column, lines));
    }

    /// A field that wants attention.
    pub fn alert(&mut self, label: &str, column: usize, text: &str) {
        self.labelled(Style::warning, label, column, wrap(text, WIDTH - column));
    }

    fn labelled(
        &mut self,
        paint: fn(Style, &str) -> String,
        label: &str,
        column: usize,
        lines: Vec<String>,
    ) {
        let pad = column.saturating_sub(label.chars().count());
        let label = if label.is_empty() { String::new() } else { paint(self.style, label) };
        let mut lines = lines.into_iter();
        let first = lines.next().unwrap_or_default();
        self.line(format!("{label}{:pad$}{first}", "").trim_end());
        for line in lines {
            self.line(&format!("{:column$}{line}", ""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_and_lines_short() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("a /a/very/long/path b", 4), ["a", "/a/very/long/path", "b"]);
        assert!(wrap("", 4).is_empty());
        assert_eq!(wrap("run `a b c d` or not", 12), ["run", "`a b c d` or", "not"]);
        assert_eq!(wrap("run `a b c d`", 6), ["run", "`a b c", "d`"]);
        assert_eq!(wrap_cut("a bb ccc", 4, 2), ["a bb", "ccc"]);
        assert_eq!(wrap_cut("a bb cccccccccc dd", 4, 2), ["a bb", "cc \u{2026}"]);
        assert_eq!(wrap_cut("a bb cccccc", 4, 3), ["a bb", "cccc", "cc"]);
        assert_eq!(shorten("abcdefgh", 6), "abc...");
        assert_eq!(shorten("abc", 6), "abc");
    }

    #[test]
    fn a_traced_programs_name_cannot_command_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\n\u{202e}c"), "a\\u{1b}[2Jb\\n\\u{202e}c");
        assert_eq!(printable("/usr/bin/naïve"), "/usr/bin/naïve");
    }

    #[test]
    fn a_field_stays_in_its_column() {
        let mut page = Page::new(Style::PLAIN);
        page.field("label", 8, &"word ".repeat(20));
        let text = page.finish();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("        word")));
    }
}
