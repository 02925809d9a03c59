package training.lora.trainer;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AmountsTest {
    @ParameterizedTest
    @CsvSource({
        "-1, 2, 2 files of an unknown size",
        "0, 0, 0 files of 0 bytes",
        "1, 1, 1 file of 1 byte",
        "999, 1, 1 file of 999 bytes",
        "1000, 1, 1 file of 1.0 KB",
        "999949, 1, 1 file of 999.9 KB",
        "999950, 1, 1 file of 1.0 MB",
        "323151, 1, 1 file of 323.2 KB",
        "6938041052, 3, 3 files of 6.9 GB",
        "9223372036854775807, 1, 1 file of 9223372.0 TB"
    })
    void amountIsInWordsForPeople(long bytes, int files, String words) {
        assertThat(Amounts.files(files, bytes)).isEqualTo(words);
    }
}
