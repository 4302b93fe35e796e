//! Huffman's code of strings (RFC 7541 section 5.2 and appendix B).
//!
//! The code is canonical: codes of one length follow one another in the order of their symbols, and behind those that are
//! shorter. So the lengths alone are enough to build all tables.

/// Symbols: all octets and the one that ends a string, which nobody may send.
const SYMBOLS: usize = 257;
const EOS: u16 = 256;
/// The longest code, in bits.
const BITS_MAX: usize = 30;
/// Codes that are found with one look, in bits: those of nearly everything that is text.
const SHORT_BITS: u32 = 8;

/// The length of each symbol's code, in bits.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// What is made of the lengths.
struct Tables {
    /// By the first eight bits: the symbol and the length of its code; nothing where the code is longer.
    short: [(u8, u8); 1 << SHORT_BITS],
    /// The symbols in the order of their codes.
    symbols: [u16; SYMBOLS],
    /// By length: the code behind the last one of that length.
    end: [u32; BITS_MAX + 1],
    /// By length: how many symbols come before those of that length, less their first code.
    offset: [i64; BITS_MAX + 1],
}

static TABLES: Tables = Tables::build();

impl Tables {
    const fn build() -> Self {
        let mut tables = Self {
            short: [(0, 0); 1 << SHORT_BITS],
            symbols: [0; SYMBOLS],
            end: [0; BITS_MAX + 1],
            offset: [0; BITS_MAX + 1],
        };
        let (mut code, mut count, mut length) = (0_u32, 0, 1);
        while length <= BITS_MAX {
            code <<= 1;
            tables.offset[length] = count as i64 - code as i64;
            let mut symbol = 0;
            while symbol < SYMBOLS {
                if LENGTHS[symbol] as usize == length {
                    tables.symbols[count] = symbol as u16;
                    if length <= SHORT_BITS as usize {
                        let spare = SHORT_BITS as usize - length;
                        let first = (code as usize) << spare;
                        let mut at = first;
                        while at < first + (1 << spare) {
                            tables.short[at] = (symbol as u8, length as u8);
                            at += 1;
                        }
                    }
                    count += 1;
                    code += 1;
                }
                symbol += 1;
            }
            tables.end[length] = code;
            length += 1;
        }
        tables
    }
}

/// Decodes a string behind what is there already.
///
/// # Errors
/// It is not in the code, holds the symbol that ends a string, or ends in more or other padding than may be.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut coded = coded.iter();
    // The bits that are looked at, from the highest, and how many there are; ones behind them, as padding is.
    let (mut window, mut have) = (u64::MAX, 0_u32);
    loop {
        while have <= 56 {
            let Some(&octet) = coded.next() else { break };
            window &= !(0xff << (56 - have)) | u64::from(octet) << (56 - have);
            have += 8;
        }
        let (symbol, length) = match TABLES.short[(window >> (64 - SHORT_BITS)) as usize] {
            (_, 0) => long(window)?,
            (symbol, length) => (u16::from(symbol), u32::from(length)),
        };
        if length > have {
            // What is left is padding: less than an octet of ones.
            return (have < 8 && window == u64::MAX).then_some(());
        }
        if symbol == EOS {
            return None;
        }
        out.push(symbol as u8);
        window = window << length | ((1 << length) - 1);
        have -= length;
    }
}

/// A symbol whose code is longer than what one look finds, and its length.
fn long(window: u64) -> Option<(u16, u32)> {
    for length in SHORT_BITS as usize + 1..=BITS_MAX {
        let code = (window >> (64 - length)) as u32;
        if code < TABLES.end[length] {
            let symbol = usize::try_from(i64::from(code) + TABLES.offset[length]).ok()?;
            return Some((*TABLES.symbols.get(symbol)?, length as u32));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code of a symbol, by the same canon.
    fn code(symbol: usize) -> (u64, u32) {
        let length = LENGTHS[symbol] as usize;
        let at = TABLES.symbols.iter().position(|&other| usize::from(other) == symbol).unwrap() as i64;
        ((at - TABLES.offset[length]) as u64, length as u32)
    }

    fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits: Vec<bool> = Vec::new();
        for &octet in text {
            let (code, length) = code(octet.into());
            bits.extend((0..length).rev().map(|at| code >> at & 1 == 1));
        }
        while !bits.len().is_multiple_of(8) {
            bits.push(true);
        }
        bits.chunks(8).map(|octet| octet.iter().fold(0, |octet, &bit| octet << 1 | u8::from(bit))).collect()
    }

    fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(coded, &mut out).map(|()| out)
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // From appendix B: the first and last of some lengths.
        let known = [
            (b'0', 0x0, 5),
            (b't', 0x9, 5),
            (b' ', 0x14, 6),
            (b'u', 0x2d, 6),
            (b':', 0x5c, 7),
            (b'z', 0x7b, 7),
            (b'&', 0xf8, 8),
            (b'!', 0x3f8, 10),
            (b'?', 0x3fc, 10),
            (0, 0x1ff8, 13),
            (b'\\', 0x7fff0, 19),
            (128, 0xf_ffe6, 20),
            (1, 0x7f_ffd8, 23),
            (255, 0x3ff_ffee, 26),
            (249, 0xfff_fffe, 28),
            (10, 0x3fff_fffc, 30),
            (22, 0x3fff_fffe, 30),
        ];
        for (symbol, expected, length) in known {
            assert_eq!(code(symbol.into()), (expected, length), "{symbol}");
        }
        assert_eq!(code(EOS.into()), (0x3fff_ffff, 30));
    }

    #[test]
    fn every_octet_is_read_wherever_it_stands() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        assert_eq!(decoded(&encode(&all)), Some(all.clone()));
        for octet in 0..=255 {
            for before in 0..9 {
                let text = [&b"000000000"[..before], &[octet]].concat();
                assert_eq!(decoded(&encode(&text)), Some(text));
            }
        }
        // Appendix C.4.1.
        let example = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&example), Some(b"www.example.com".to_vec()));
        assert_eq!(encode(b"www.example.com"), example);
    }

    #[test]
    fn what_ends_wrongly_is_none() {
        assert_eq!(decoded(&[]), Some(Vec::new()));
        for wrong in [&[0xff][..], &[0xff; 4], &[0x00], &[0x07, 0xff], &[0xf1, 0xff, 0xff, 0xff, 0xff, 0xe3, 0xff]] {
            assert_eq!(decoded(wrong), None, "{wrong:x?}");
        }
        assert_eq!(decoded(&[0x07]), Some(b"0".to_vec()), "three bits of padding");
    }
}
