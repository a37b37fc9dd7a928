//! Markup that cannot be broken by what it holds: names of elements and attributes are literals of
//! this program, and every text and every value is escaped where it is written.

/// An attribute: its name, and a value that is escaped.
pub(crate) type Attribute<'a> = (&'static str, &'a str);

/// A growing piece of HTML or SVG.
#[derive(Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    /// An element with what `content` writes into it.
    pub(crate) fn element(
        &mut self,
        tag: &'static str,
        attributes: &[Attribute<'_>],
        content: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.open(tag, attributes);
        self.0.push('>');
        content(self);
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
        self
    }

    /// An element that holds a text.
    pub(crate) fn leaf(
        &mut self,
        tag: &'static str,
        attributes: &[Attribute<'_>],
        text: &str,
    ) -> &mut Self {
        self.element(tag, attributes, |html| {
            html.text(text);
        })
    }

    /// An element without content: `<meta>` and its like in HTML, any in SVG.
    pub(crate) fn empty(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) -> &mut Self {
        self.open(tag, attributes);
        self.0.push_str("/>");
        self
    }

    /// A text.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        text.chars().for_each(|character| self.character(character));
        self
    }

    /// A text of somebody else, such as a model: what could not be seen is made visible. It may
    /// still turn the direction of its letters, so it belongs into an element of its own.
    pub(crate) fn foreign(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match visible(character) {
                None => self.character(character),
                Some(shown) => {
                    self.leaf("span", &[("class", "unseen")], &shown);
                }
            }
        }
        self
    }

    /// A text of somebody else where no element can be, as in a title.
    pub(crate) fn foreign_alone(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match visible(character) {
                None => self.character(character),
                Some(shown) => self.0.push_str(&shown),
            }
        }
        self
    }

    /// Text of this program that is markup already: its style sheet and its script.
    pub(crate) fn literal(&mut self, text: &'static str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    /// A line break in the source, for people who read it.
    pub(crate) fn line(&mut self) -> &mut Self {
        self.0.push('\n');
        self
    }

    /// Other markup.
    pub(crate) fn append(&mut self, other: &Self) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }

    fn open(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) {
        self.0.push('<');
        self.0.push_str(tag);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
    }

    fn character(&mut self, character: char) {
        match character {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\'' => self.0.push_str("&#39;"),
            // A parser of HTML would drop or replace these.
            '\0' => self.0.push('\u{2400}'),
            '\r' => self.0.push('\u{240d}'),
            other => self.0.push(other),
        }
    }
}

/// How a character is shown that has no form of its own, or changes how others are read.
fn visible(character: char) -> Option<String> {
    let code = u32::from(character);
    let picture = |offset: u32| char::from_u32(offset + code).map(String::from);
    match character {
        '\n' | '\t' => None,
        '\0'..='\u{1f}' => picture(0x2400),
        '\u{7f}' => Some("\u{2421}".to_owned()),
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{e0000}'..='\u{e007f}'
        | '\u{f0000}'..='\u{10ffff}' => Some(code_point(code)),
        _ if code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code) => Some(code_point(code)),
        _ => None,
    }
}

fn code_point(code: u32) -> String {
    format!("U+{code:04X}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn foreign(text: &str) -> String {
        let mut html = Html::default();
        html.foreign(text);
        html.into_string()
    }

    #[test]
    fn elements_and_values_are_written_out() {
        let mut html = Html::default();
        html.element("p", &[("class", "a\"b")], |html| {
            html.text("1 < 2 & 'so'").empty("br", &[]);
        });
        insta::assert_snapshot!(
            html.into_string(),
            @r#"<p class="a&quot;b">1 &lt; 2 &amp; &#39;so&#39;<br/></p>"#
        );
    }

    #[test]
    fn nothing_ends_an_element_from_within() {
        let text = foreign("</script><!-- ]]> \"'><img src=x onerror=alert(1)>");
        assert!(!text.contains(['<', '>', '"', '\'']), "{text}");
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        let span = |shown: &str| format!("<span class=\"unseen\">{shown}</span>");
        for (text, shown) in [
            ("a\0b", format!("a{}b", span("␀"))),
            ("\u{1b}[2J", format!("{}[2J", span("␛"))),
            ("\r\n", format!("{}\n", span("␍"))),
            ("\u{202e}abc", format!("{}abc", span("U+202E"))),
            ("\u{2066}\u{2069}", format!("{}{}", span("U+2066"), span("U+2069"))),
            ("\u{200b}\u{feff}", format!("{}{}", span("U+200B"), span("U+FEFF"))),
            ("\u{e0041}", span("U+E0041")),
            ("\u{85}\u{7f}", format!("{}{}", span("U+0085"), span("␡"))),
            ("\u{ffff}\u{1fffe}", format!("{}{}", span("U+FFFF"), span("U+1FFFE"))),
        ] {
            assert_eq!(foreign(text), shown);
        }
    }

    #[test]
    fn writing_is_left_as_it_is() {
        let text = "naïve 你好 שלום नमस्ते 👩‍👩‍👧 می‌خواهم\ttab\nline";
        assert_eq!(foreign(text), text);
    }

    proptest! {
        #[test]
        fn no_text_has_a_bare_sign(text in any::<String>()) {
            let mut html = Html::default();
            html.text(&text);
            prop_assert!(!html.into_string().contains(['<', '>', '"', '\'', '\0']));
            let shown = foreign(&text).replace("<span class=\"unseen\">", "").replace("</span>", "");
            prop_assert!(!shown.contains(['<', '>', '"', '\'']));
        }
    }
}
