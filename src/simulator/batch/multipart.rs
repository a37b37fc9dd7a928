//! Reads the form of an upload (RFC 7578), as far as the simulator needs it.

/// The value of a part by its name; `None` when the form has none, or is cut off.
pub(super) fn part<'a>(content_type: &str, body: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let boundary = content_type.split("boundary=").nth(1)?.trim_matches('"');
    let marker = format!("--{boundary}");
    let wanted = format!("name=\"{name}\"");
    let mut rest = body.get(find(body, marker.as_bytes())? + marker.len()..)?;
    loop {
        let end = find(rest, format!("\r\n{marker}").as_bytes())?;
        let whole = rest.get(..end)?;
        let head = find(whole, b"\r\n\r\n")?;
        if String::from_utf8_lossy(whole.get(..head)?).contains(&wanted) {
            return whole.get(head + 4..);
        }
        rest = rest.get(end + 2 + marker.len()..)?;
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_by_their_names() {
        let form = "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
                    --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\
                    {}\n{}\n\r\n--x--\r\n";
        let read = |name| part("multipart/form-data; boundary=x", form.as_bytes(), name);
        assert_eq!(read("purpose"), Some(&b"batch"[..]));
        assert_eq!(read("file"), Some(&b"{}\n{}\n"[..]));
        assert_eq!(read("other"), None);
        let half = form.as_bytes().get(..100).unwrap();
        assert_eq!(part("multipart/form-data; boundary=x", half, "file"), None);
    }
}
