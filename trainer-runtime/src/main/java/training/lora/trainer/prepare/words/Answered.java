package training.lora.trainer.prepare.words;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** What a language model answered before, by a digest over all that it was asked. Threads may share it. */
public interface Answered {
    /** Null where nothing is known. */
    @Nullable String get(String key) throws IOException;

    /** Keeps an answer. */
    void put(String key, String answer) throws IOException;
}
