//! One file per operation: the behavior that no other operation has.

mod acknowledge;
mod details;
mod failure;
mod poll;
mod success;

use std::fmt::Debug;

use crate::harness::Answer;

/// A text field of a request: its path, its shortest and longest length, and how to set it.
type TextField<Q> = (&'static str, usize, usize, fn(&mut Q, String));

/// Asserts that the limits of these fields are exact and count characters. `call` must get an error
/// also for a valid request, for example because its job doesn't exist.
async fn assert_limits<Q: Clone, R: Debug, F: Future<Output = Answer<R>>>(
    request: &Q,
    fields: &[TextField<Q>],
    call: impl Fn(Q) -> F,
) {
    for (field, min, max, set) in fields {
        for character in ["a", "é", "€", "🦀", "\u{301}"] {
            for (length, fits) in [(0, *min == 0), (1, true), (*max, true), (max + 1, false)] {
                let mut request = request.clone();
                set(&mut request, character.repeat(length));
                let answer = call(request).await;
                let what = format!("{length} × {character:?} as {field}");
                let named = answer.details().bad_request().map(|bad| bad.field_violations[0].field.clone());
                assert_eq!(answer.attempts(), u32::from(fits), "{what}");
                assert_eq!(named.as_deref(), (!fits).then_some(*field), "{what}");
            }
        }
    }
}
