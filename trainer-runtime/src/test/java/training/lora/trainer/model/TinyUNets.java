package training.lora.trainer.model;

import java.util.List;

/** Forms of denoisers whose steps take milliseconds. */
public final class TinyUNets {
    /** Reads texts of width 24. */
    public static final UNetConfig TINY = reading(24);

    private TinyUNets() {}

    /** Two blocks, the first with attention, that read texts of {@code contextWidth}. */
    public static UNetConfig reading(int contextWidth) {
        return new UNetConfig(
                8,
                4,
                contextWidth,
                List.of(32, 64),
                List.of(true, false),
                1,
                List.of(2, 2),
                List.of(1, 1),
                8,
                1e-5,
                false,
                null);
    }
}
