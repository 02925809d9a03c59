package training.lora.trainer.prepare.caption;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** A captioner declined some of the pictures; what it said of the others is paid for. */
public final class DeclinedPicturesException extends Exception {
    private static final long serialVersionUID = 1;

    private final transient List<@Nullable String> captions;
    private final transient Map<Integer, String> declined;

    DeclinedPicturesException(List<@Nullable String> captions, Map<Integer, String> declined) {
        super("declined: " + declined);
        this.captions = Collections.unmodifiableList(new ArrayList<>(captions));
        this.declined = new TreeMap<>(declined);
    }

    /** The captions, in the order of the pictures; null where there is none. */
    public List<@Nullable String> captions() {
        return captions;
    }

    /** What became of the others, by their places: goes on after their names. */
    public Map<Integer, String> declined() {
        return declined;
    }
}
