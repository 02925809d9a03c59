package training.lora.trainer.files;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FileNameTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {"plain.png", "Кошка.png", "猫の写真.png", "🐱cat.png", "50% é.png", " a+b#c?d.png", "tab\té.png"})
    void nameIsWrittenAndReadAsItIs(String name) throws IOException {
        Path file = Files.writeString(FileName.resolve(folder, name), "text");

        assertThat(file).isEqualTo(folder.resolve(name));
        assertThat(FileName.of(file)).isEqualTo(name);
    }

    @Test
    void decomposedNameIsReadComposed() throws IOException {
        Path file = Files.writeString(folder.resolve("cafe\u0301.png"), "text");

        assertThat(FileName.of(file)).isEqualTo("caf\u00e9.png");
    }

    @Test
    void nameOfAFolderHasNoSlash() throws IOException {
        assertThat(FileName.of(Files.createDirectories(folder.resolve("фото")))).isEqualTo("фото");
    }

    @Test
    void pathMayHaveFoldersAndBeAbsolute() {
        assertThat(FileName.resolve(folder, "фото/../a/é.png")).isEqualTo(folder.resolve("фото/../a/é.png"));
        assertThat(FileName.resolve(folder, "/фото/a.png")).isEqualTo(Path.of("/фото/a.png"));
    }
}
