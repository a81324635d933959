//! Colour, where the reader's terminal wants it.

use std::env;

use clap::ValueEnum;

/// What the user said of colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always, even into a file.
    Always,
    /// Never.
    Never,
}

/// Whether what is written has colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    colored: bool,
}

impl Style {
    /// Text without any colour.
    pub const PLAIN: Style = Style { colored: false };

    /// The style for a stream that is a terminal or not, in this environment. `NO_COLOR` counts if
    /// it is not empty (<https://no-color.org>); an explicit wish of the user's outranks it.
    pub fn new(color: Color, is_terminal: bool) -> Style {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|value| value == "dumb");
        Style::decide(color, is_terminal, unwanted)
    }

    fn decide(color: Color, is_terminal: bool, unwanted: bool) -> Style {
        let colored = match color {
            Color::Auto => is_terminal && !unwanted,
            Color::Always => true,
            Color::Never => false,
        };
        Style { colored }
    }

    /// Good news.
    pub fn good(self, text: &str) -> String {
        self.paint("1;32", text)
    }

    /// Bad news.
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// What wants attention.
    pub fn warning(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// A heading.
    pub fn heading(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What may be overlooked.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colored { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_wish_outranks_the_environment() {
        for (color, is_terminal, unwanted, colored) in [
            (Color::Auto, true, false, true),
            (Color::Auto, true, true, false),
            (Color::Auto, false, false, false),
            (Color::Always, false, true, true),
            (Color::Never, true, false, false),
        ] {
            assert_eq!(Style::decide(color, is_terminal, unwanted), Style { colored });
        }
        assert_eq!(Style { colored: true }.bad("no"), "\x1b[1;31mno\x1b[0m");
        assert_eq!(Style::PLAIN.bad("no"), "no");
    }
}
