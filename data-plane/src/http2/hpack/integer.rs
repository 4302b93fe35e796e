//! Integers of a block (RFC 7541 section 5.1).

/// Octets behind the first: enough for 32 bits, and for a few that say nothing.
const OCTETS_MAX: u32 = 5;

/// Reads one whose first octet has so many bits of it.
///
/// # Errors
/// It does not end, or is larger than anything that may be said here.
pub(super) fn read(block: &mut &[u8], bits: u32) -> Option<usize> {
    let (&first, mut rest) = block.split_first()?;
    let full = (1 << bits) - 1;
    let mut value = usize::from(first) & full;
    if value == full {
        for at in 0..=OCTETS_MAX {
            let (&octet, behind) = rest.split_first()?;
            rest = behind;
            if at == OCTETS_MAX {
                return None;
            }
            value += usize::from(octet & 0x7f) << (7 * at);
            if octet < 0x80 {
                break;
            }
        }
    }
    *block = rest;
    (value <= u32::MAX as usize).then_some(value)
}

/// Writes one whose first octet has so many bits of it, the others being those of `first`.
pub(super) fn write(out: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let full = (1 << bits) - 1;
    if value < full {
        out.push(first | value as u8);
        return;
    }
    out.push(first | full as u8);
    let mut rest = value - full;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        // Appendix C.1.
        for (bits, value, octets) in [(5, 10, &[10][..]), (5, 1_337, &[31, 154, 10]), (8, 42, &[42])] {
            let mut out = Vec::new();
            write(&mut out, 0, bits, value);
            assert_eq!(out, octets);
            let mut block = octets;
            assert_eq!((read(&mut block, bits), block), (Some(value), &[][..]));
        }
    }

    #[test]
    fn what_does_not_end_and_what_is_too_large_is_none() {
        for wrong in
            [&[][..], &[31], &[31, 0x80], &[31, 0xff, 0xff, 0xff, 0xff, 0xff, 0], &[31, 255, 255, 255, 255, 127]]
        {
            assert_eq!(read(&mut &*wrong, 5), None, "{wrong:?}");
        }
        let mut longer = &[31, 0x80, 0x80, 0x00, 7][..];
        assert_eq!((read(&mut longer, 5), longer), (Some(31), &[7][..]), "in more octets than it needs");
        for value in [0, 30, 31, 32, 126, 127, 128, 16_383, 1 << 20, u32::MAX as usize] {
            let mut out = Vec::new();
            write(&mut out, 0xe0, 5, value);
            assert_eq!(read(&mut &out[..], 5), Some(value));
        }
    }
}
