//! Shortens texts that come from outside.

/// The longest start of a text that has at most this many bytes and ends between two characters.
pub(crate) fn truncate(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_text_fits_and_ends_between_characters() {
        assert_eq!(truncate("short", 128), "short");
        assert_eq!(truncate("aé", 2), "a");
        assert_eq!(truncate(&"🦀".repeat(512), 130).len(), 128);
    }
}
