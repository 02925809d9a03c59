package training.lora.trainer.files;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DataFilesTest {
    @ParameterizedTest
    @CsvSource({
        "a.png, true, false",
        "folder/a.b.JPEG, true, false",
        "a.tif, true, false",
        "a-masklabel.png, false, false",
        "A-MaskLabel.PNG, false, false",
        "a.heic, false, false",
        "a.txt, false, true",
        "a.Caption, false, true",
        ".png, false, false",
        "png, false, false",
        "folder.png/a, false, false"
    })
    void namesTellPicturesAndCaptions(Path file, boolean picture, boolean caption) {
        assertThat(DataFiles.isPictureAndNoMask(file)).isEqualTo(picture);
        assertThat(DataFiles.isCaption(file)).isEqualTo(caption);
    }

    @ParameterizedTest
    @CsvSource({"a/b.c.png, b.c, png", "a/.hidden, .hidden, ''", "a.b/c, c, ''", "A.TXT, A, txt"})
    void aNameHasAStemAndAnExtension(Path file, String stem, String extension) {
        assertThat(FileName.stem(file)).isEqualTo(stem);
        assertThat(FileName.extension(file)).isEqualTo(extension);
    }
}
