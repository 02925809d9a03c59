package training.lora.trainer.model.unet;

import java.util.List;

/** Forms of denoisers whose steps take milliseconds. */
public final class TinyUNets {
    /** Reads texts of width 24. */
    public static final UNetConfig TINY = reading(24);

    private TinyUNets() {}

    /** Two blocks, the first with attention, that read texts of {@code contextWidth}. */
    public static UNetConfig reading(int contextWidth) {
        return UNetConfigBuilder.builder()
                .sampleSize(8)
                .channels(4)
                .contextWidth(contextWidth)
                .widths(List.of(32, 64))
                .attention(List.of(true, false))
                .layers(1)
                .heads(List.of(2, 2))
                .transformerLayers(List.of(1, 1))
                .groups(8)
                .normEps(1e-5)
                .linearProjection(false)
                .build();
    }
}
