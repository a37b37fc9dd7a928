//! Short, harmless excerpts of what a server sent, for messages that a person reads.

/// The longest excerpt, in characters.
const MAX_CHARS: usize = 300;

/// How much of a body is looked at, in bytes: what a person would see comes early.
const LOOKED_AT_BYTES: usize = 64 * 1024;

/// `text` on one line, without terminal escapes and invisible characters.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut chars = text.chars().peekable();
    let mut gap = false;
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            skip_escape(&mut chars);
        } else if c == '\u{9b}' {
            skip_control_sequence(&mut chars);
        } else if c.is_whitespace() || c.is_control() {
            gap = !line.is_empty();
        } else if !is_invisible(c) {
            if std::mem::take(&mut gap) {
                line.push(' ');
            }
            line.push(c);
        }
    }
    line
}

/// Consumes what follows ESC: a CSI sequence up to its final byte, an OSC string up to BEL or ST,
/// or one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => skip_control_sequence(chars),
        Some(']') => {
            while chars.next_if(|c| !matches!(c, '\u{7}' | '\u{1b}')).is_some() {}
            if chars.next() == Some('\u{1b}') {
                chars.next_if_eq(&'\\');
            }
        }
        _ => {}
    }
}

/// Consumes what follows ESC [ or U+009B: parameter and intermediate bytes are 0x20..=0x3f, the final
/// byte is 0x40..=0x7e.
fn skip_control_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while chars.next_if(|c| matches!(c, '\u{20}'..='\u{3f}')).is_some() {}
    chars.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
}

/// Zero-width characters and bidirectional overrides, which can make a message read as another.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// At most [`MAX_CHARS`] characters of `text`, with an ellipsis where it was cut.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        None => text.to_owned(),
        Some(_) => text.chars().take(MAX_CHARS - 1).chain(['…']).collect(),
    }
}

/// What a person would see of the beginning of a body: the text of an HTML page, or the text itself;
/// one line.
pub(super) fn visible_text(body: &str) -> String {
    let body = body.get(..body.floor_char_boundary(LOOKED_AT_BYTES)).unwrap_or(body);
    let start = body.trim_start().chars().take(15).collect::<String>().to_ascii_lowercase();
    let is_html = ["<!doctype html", "<html", "<head", "<body", "<?xml"]
        .iter()
        .any(|opening| start.starts_with(opening));
    if is_html { one_line(&html_text(body)) } else { one_line(body) }
}

/// The text between the tags of an HTML page, without scripts and styles.
fn html_text(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    // An element whose end was not found once has none further on: looking once keeps this linear.
    let mut hidden = vec!["script", "style", "!--"];
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let opened = hidden.iter().position(|name| opens(tag, name));
        let element = opened.and_then(|index| {
            let after = skip_element(tag, hidden[index]);
            if after.is_none() {
                hidden.swap_remove(index);
            }
            after
        });
        rest = element.or_else(|| tag.split_once('>').map(|(_, after)| after)).unwrap_or_default();
    }
    text.push_str(rest);
    [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text, |text, (entity, plain)| text.replace(entity, plain))
}

/// Whether `tag`, the text after a `<`, opens the element (or comment) `name`.
fn opens(tag: &str, name: &str) -> bool {
    tag.get(..name.len()).is_some_and(|opening| opening.eq_ignore_ascii_case(name))
}

/// What follows the element (or comment) `name`, which `tag` opens; `None` without an end.
fn skip_element<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let end = if name == "!--" { "-->".to_owned() } else { format!("</{name}") };
    let is_end = |window: &[u8]| window.eq_ignore_ascii_case(end.as_bytes());
    let at = tag.as_bytes().windows(end.len()).position(is_end)?;
    let (_, after) = tag.split_at_checked(at + end.len())?;
    if name == "!--" { Some(after) } else { after.split_once('>').map(|(_, after)| after) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terminal_escapes_and_tricks_are_taken_out() {
        assert_eq!(one_line("\u{1b}[31mred\u{1b}[0m\r\n alert\u{7}!"), "red alert !");
        assert_eq!(one_line("a\u{1b}]0;title\u{7}b\u{1b}]8;;http://x\u{1b}\\c"), "abc");
        assert_eq!(one_line("safe\u{202e}txt\u{200b}."), "safetxt.");
        assert_eq!(one_line("a\u{9b}31mb"), "ab");
        assert_eq!(one_line("\u{1b}"), "");
        assert_eq!(one_line("\u{1b}]unterminated"), "");
    }

    #[test]
    fn a_web_page_is_reduced_to_its_text() {
        let page = "<!DOCTYPE html><html><head><title>502 Bad gateway</title><style>p{a:b}</style>\
                    <script>if (a<b) {}</script></head><!-- x > y --><body><h1>Bad gateway</h1>\
                    <p>Ray&nbsp;ID: 1 &amp; 2</p></body></html>";
        assert_eq!(visible_text(page), "502 Bad gateway Bad gateway Ray ID: 1 & 2");
        assert_eq!(visible_text("<html><script>never closed"), "never closed");
        assert_eq!(visible_text(" a < b\n"), "a < b");
    }

    /// Quadratic time would take minutes here.
    #[test]
    fn hostile_pages_are_read_at_once() {
        for unit in ["<!--", "<script", "<", "<style></", "\u{1b}["] {
            let page = format!("<html>ab{}", unit.repeat(2_000_000 / unit.len()));
            assert!(visible_text(&page).starts_with("ab"), "{unit}");
        }
    }

    #[test]
    fn long_text_is_cut_with_an_ellipsis() {
        let cut = shorten(&"é".repeat(301));
        assert_eq!((cut.chars().count(), cut.ends_with("é…")), (300, true));
        assert_eq!(shorten(&"é".repeat(300)), "é".repeat(300));
    }

    proptest! {
        #[test]
        fn excerpts_hold_no_control_characters(text in "(?s).{0,200}", html in "<html>[<>a-z/!-]{0,60}") {
            prop_assert!(!one_line(&text).contains(char::is_control));
            prop_assert!(!visible_text(&html).contains(char::is_control));
        }
    }
}
