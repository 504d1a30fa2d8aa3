//! Bytes as text for `localStorage`: 15 bits in each UTF-16 code unit.
//!
//! The browser counts code units, so this holds 1.9 bytes in each of them where base64 holds 0.75. Units are taken from
//! U+3400..=U+B3FF, which has no surrogates. The first unit says how many bytes the last group fills.

const BASE: u32 = 0x3400;
const BITS: u32 = 15;
const MASK: u32 = (1 << BITS) - 1;

/// How many code units the text of this many bytes has.
pub(super) fn encoded_len(bytes: usize) -> usize {
    1 + (bytes * 8).div_ceil(BITS as usize)
}

fn unit(bits: u32) -> char {
    char::from_u32(BASE + (bits & MASK)).unwrap_or('\u{3400}')
}

/// The text of these bytes.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(encoded_len(bytes.len()) * 3);
    // 15 bytes are 8 units exactly, so the length modulo 15 tells how much of the last group is padding.
    text.push(unit((bytes.len() % 15) as u32));
    let (mut held, mut held_bits) = (0u32, 0u32);
    for &byte in bytes {
        held = (held << 8) | u32::from(byte);
        held_bits += 8;
        if held_bits >= BITS {
            held_bits -= BITS;
            text.push(unit(held >> held_bits));
            held &= (1 << held_bits) - 1;
        }
    }
    if held_bits > 0 {
        text.push(unit(held << (BITS - held_bits)));
    }
    text
}

/// The bytes of such a text; None if it is none.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut units = text.chars().map(|c| (c as u32).checked_sub(BASE).filter(|&bits| bits <= MASK));
    let remainder = units.next()?? as usize;
    let mut bytes = Vec::with_capacity(text.len() / 3 * 2);
    let (mut held, mut held_bits) = (0u32, 0u32);
    for bits in units {
        held = (held << BITS) | bits?;
        held_bits += BITS;
        while held_bits >= 8 {
            held_bits -= 8;
            bytes.push((held >> held_bits) as u8);
            held &= (1 << held_bits) - 1;
        }
    }
    // Padding can have made one byte too many, and it is zero.
    if bytes.len() % 15 != remainder && bytes.pop()? != 0 {
        return None;
    }
    let units = text.chars().count();
    (bytes.len() % 15 == remainder && held == 0 && units == encoded_len(bytes.len()))
        .then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, encoded_len};
    use proptest::prelude::{any, prop, proptest};

    proptest! {
        #[test]
        fn bytes_come_back_from_their_text_which_has_the_length_foretold(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = encode(&bytes);
            assert_eq!(text.encode_utf16().count(), encoded_len(bytes.len()));
            assert_eq!(decode(&text), Some(bytes));
        }

        #[test]
        fn foreign_text_is_refused_or_is_exactly_what_its_bytes_encode_to(text in "[\u{33ff}-\u{3410}\u{b3f0}-\u{b400}a]{0,20}") {
            if let Some(bytes) = decode(&text) {
                assert_eq!(encode(&bytes), text);
            }
        }
    }

    #[test]
    fn text_that_is_no_journal_is_refused() {
        for text in ["", "{}", "\u{3400}a", "\u{3401}", "\u{340f}"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
