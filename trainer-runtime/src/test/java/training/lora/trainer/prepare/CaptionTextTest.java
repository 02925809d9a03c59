package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.files.NoTextException;

class CaptionTextTest {
    @TempDir
    Path folder;

    private CaptionText read(byte[] bytes) throws Exception {
        return CaptionText.read(Files.write(folder.resolve("a.txt"), bytes));
    }

    private static byte[] bytes(String text, String charset, int... mark) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int b : mark) {
            bytes.write(b);
        }
        bytes.writeBytes(text.getBytes(Charset.forName(charset)));
        return bytes.toByteArray();
    }

    @Test
    void utf8IsReadWithByteOrderMarksAndWithout() throws Exception {
        assertThat(read(bytes("caf\u00E9", "UTF-8"))).isEqualTo(new CaptionText("caf\u00E9", 0));
        assertThat(read(bytes("caf\u00E9", "UTF-8", 0xEF, 0xBB, 0xBF))).isEqualTo(new CaptionText("caf\u00E9", 0));
        assertThat(read(bytes("caf\u00E9", "UTF-8", 0xEF, 0xBB, 0xBF, 0xEF, 0xBB, 0xBF)))
                .isEqualTo(new CaptionText("caf\u00E9", 1));
        assertThat(read(new byte[0])).isEqualTo(new CaptionText("", 0));
    }

    @Test
    void utf16WithAMarkIsReadInEitherOrder() throws Exception {
        assertThat(read(bytes("caf\u00E9, \u732B\r\n", "UTF-16LE", 0xFF, 0xFE)))
                .isEqualTo(new CaptionText("caf\u00E9, \u732B", 0));
        assertThat(read(bytes("caf\u00E9, \u732B\r\n", "UTF-16BE", 0xFE, 0xFF)))
                .isEqualTo(new CaptionText("caf\u00E9, \u732B", 0));
    }

    @Test
    void strayControlCharactersAreLeftOutAndCounted() throws Exception {
        assertThat(read(bytes("cat\0", "UTF-8"))).isEqualTo(new CaptionText("cat", 1));
        assertThat(read(bytes("a c\0at, r\0ed", "UTF-8"))).isEqualTo(new CaptionText("a cat, red", 2));
    }

    /** Of scripts whose UTF-16 is UTF-8 of other characters, and of others. */
    @ParameterizedTest
    @CsvSource({
        "UTF-16LE, a cat, UTF-16 without a byte order mark",
        "UTF-16BE, a cat, UTF-16 without a byte order mark",
        "UTF-16LE, кошка спит, UTF-16 without a byte order mark",
        "UTF-16LE, قطة نائمة, UTF-16 without a byte order mark",
        "UTF-16LE, 睡觉的猫, is not UTF-8 text",
        "UTF-32LE, a cat, UTF-16 without a byte order mark",
        "windows-1252, café, is not UTF-8 text",
        "windows-1251, кошка, is not UTF-8 text",
        "Shift_JIS, 猫が寝る, is not UTF-8 text",
        "ISO-2022-JP, 猫が寝る, is ISO-2022 text",
        "GB18030, 睡觉的猫, is not UTF-8 text"
    })
    void otherEncodingsAreRefused(String charset, String text, String what) {
        assertThatThrownBy(() -> read(bytes(text, charset)))
                .isInstanceOf(NoTextException.class)
                .hasMessageContaining(what);
    }

    @Test
    void markThatTheTextDoesNotKeepIsRefused() {
        assertThatThrownBy(() -> read(bytes("cat", "UTF-32LE", 0xFF, 0xFE, 0, 0)))
                .isInstanceOf(NoTextException.class)
                .hasMessageContaining("is UTF-32 text");
        assertThatThrownBy(() -> read(bytes("cat", "US-ASCII", 0xFF, 0xFE)))
                .isInstanceOf(NoTextException.class)
                .hasMessageContaining("has the byte order mark of UTF-16");
    }
}
