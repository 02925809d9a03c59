package training.lora.trainer.prepare;

import java.util.List;

/**
 * What is said of a picture in a file beside it.
 *
 * @param from the file's name
 * @param texts one, or several of which one is drawn each time
 * @param invisible how many invisible characters were left out
 * @param whole whether it has the concept's words and the prefix already, as what was prepared has
 */
record SidecarText(String from, List<String> texts, int invisible, boolean whole) {
    static final SidecarText NONE = new SidecarText("", List.of(""), 0, false);
}
