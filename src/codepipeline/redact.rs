//! Redacts secrets in texts from outside, before they reach the log.
//!
//! AWS's messages repeat parts of the request: a ValidationException the rejected value, and a
//! signature error the whole canonical request with the session token.

/// The longest text that reaches the log, in bytes.
const MAX_TEXT: usize = 1024;
const REDACTED: &str = "[redacted]";

/// A shorter secret can't be redacted, because the gaps would reveal it.
const MIN_SECRET: usize = 6;

/// The text with each secret replaced, truncated to a length that fits into a log line. If a secret
/// is too short to redact, the whole text is left out.
pub(crate) fn redact(text: &str, secrets: &[&str]) -> String {
    if secrets.iter().any(|secret| (1..MIN_SECRET).contains(&secret.len())) {
        return "[omitted: a secret of this call is too short to redact]".into();
    }
    // As plain text, and as in the JSON that AWS received.
    let quoted: Vec<String> =
        secrets.iter().map(|secret| serde_json::Value::from(*secret).to_string()).collect();
    let in_json = quoted.iter().map(|quoted| &quoted[1..quoted.len() - 1]);
    let mut secrets: Vec<&str> =
        secrets.iter().copied().chain(in_json).filter(|secret| !secret.is_empty()).collect();
    // Longest first, so that no part of a secret remains that contains another one.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let mut rest = text;
    let mut redacted = String::new();
    // One pass from left to right, so that a short secret isn't found in another's replacement.
    while !rest.is_empty() && redacted.len() < MAX_TEXT {
        if let Some(secret) = secrets.iter().find(|secret| rest.starts_with(**secret)) {
            redacted.push_str(REDACTED);
            rest = &rest[secret.len()..];
        } else {
            let mut chars = rest.chars();
            redacted.extend(chars.next());
            rest = chars.as_str();
        }
    }
    if !rest.is_empty() {
        redacted.push('…');
    }
    redacted
}

/// A text that can contain secrets that the gateway doesn't know, in one line. Each word that could
/// be a secret is redacted, and the output of a credential process is left out.
pub(super) fn redact_words(text: &str) -> String {
    let known = text.split_once("Stderr: ").map_or(text, |(before, _)| before);
    let words = known.split_whitespace().map(|word| if could_be_secret(word) { REDACTED } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Long and with a digit, and not a name that AWS and the SDK show openly: a role, a variable, or a
/// provider.
fn could_be_secret(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let variable = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let arn = |c: char| c.is_ascii_alphanumeric() || ":/_+=.@-".contains(c);
    let named = (bare.starts_with("arn:aws") && bare.chars().all(arn))
        || (bare.starts_with("AWS_") && bare.chars().all(variable))
        || bare == "Ec2InstanceMetadata";
    word.len() >= 16 && word.bytes().any(|byte| byte.is_ascii_digit()) && !named
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_is_redacted_everywhere() {
        assert_eq!(
            redact("Value 'n-1234' at 'nonce'", &["n-1234", "t-1234"]),
            "Value '[redacted]' at 'nonce'"
        );
        assert_eq!(redact("abcdefghi", &["abcdef", "abcdefghi", ""]), REDACTED);
        assert_eq!(redact("ααβγδ", &["αβγδ"]), "α[redacted]");
        assert_eq!(redact(r#"{"nonce":"a\"bcdefg"}"#, &["a\"bcdefg"]), r#"{"nonce":"[redacted]"}"#);
    }

    #[test]
    fn words_that_could_be_secrets_are_redacted_and_names_are_not() {
        for name in [
            "Ec2InstanceMetadata:",
            "`AWS_EC2_METADATA_DISABLED`",
            "arn:aws:iam::123456789012:role/gateway,",
            "sts:AssumeRoleWithWebIdentity",
        ] {
            assert_eq!(redact_words(name), name);
        }
        for secret in [
            "ASIAFAKEFAKEFAKE1234",
            "AWS_lower+2/3456789012345",
            "eyJhbGciOiJIUzI1NiJ9.e30.x",
            r#"arn:aws:iam::1:role/x","Secret":"7"#,
        ] {
            assert_eq!(redact_words(&format!("key {secret}")), format!("key {REDACTED}"));
        }
        assert_eq!(redact_words("it failed. Stderr: whatever it prints"), "it failed. ".trim());
    }

    #[test]
    fn a_text_with_a_secret_too_short_to_redact_is_left_out() {
        assert!(!redact("the nonce was a", &["a"]).contains("nonce was"));
    }

    proptest! {
        #[test]
        fn no_secret_of_some_length_survives(
            secret in "[A-Za-z0-9é]{6,40}", before in ".{0,600}", after in ".{0,600}",
        ) {
            let redacted = redact(&format!("{before}{secret}{after}{secret}"), &[&secret, "other"]);
            prop_assert!(!redacted.contains(&secret));
            prop_assert!(redacted.len() <= MAX_TEXT + REDACTED.len() + 3);
        }
    }
}
