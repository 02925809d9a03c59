package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Files that tests hold what is made to; {@code -Dconfigurations.update=true} writes them anew. */
final class Kept {
    private Kept() {}

    static boolean updates() {
        return Boolean.getBoolean("configurations.update");
    }

    /** Holds a resource to the one that is kept. */
    static void requireSame(Converted converted, String name) throws IOException {
        requireSame(converted.yaml(), Conversions.CONFIGS.resolve(name));
    }

    static void requireSame(String text, Path kept) throws IOException {
        if (updates()) {
            Files.writeString(kept, text);
        }
        assertThat(text).isEqualTo(Files.readString(kept));
    }
}
