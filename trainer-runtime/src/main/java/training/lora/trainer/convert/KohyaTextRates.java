package training.lora.trainer.convert;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Whether a network of kohya's adapts text encoders, and at which rate.
 *
 * @param key the option that decides whether they are trained
 * @param rateKey the option that gives the rate
 * @param rate null where they aren't trained
 */
record KohyaTextRates(String key, String rateKey, @Nullable Double rate) {
    private static final String KEY = "text_encoder_lr";
    private static final String DENOISER_ALONE = "network_train_unet_only";

    /** Of networks that have a rate for each of XL's text encoders. */
    private static final List<String> SEVERAL = List.of("networks.loha", "networks.lokr");

    /**
     * As {@code options} ask for.
     *
     * @param xl whether the model is SDXL; null where that isn't known
     * @param preset what LyCORIS adapts; null where it isn't LyCORIS
     * @param common the rate of what has none of its own
     */
    static KohyaTextRates of(Options options, @Nullable Boolean xl, @Nullable LycorisPreset preset, double common) {
        List<Double> given = given(options);
        boolean presetLeaves = preset != null && !preset.textEncoder();
        if (presetLeaves || options.flag(DENOISER_ALONE, false)) {
            if (given.stream().anyMatch(rate -> rate != 0)) {
                options.findings().ignores(KEY, "text encoders are not trained");
            }
            return new KohyaTextRates(presetLeaves ? "network_args.preset" : DENOISER_ALONE, KEY, null);
        }
        if (given.isEmpty()) {
            String key = common == 0 ? "learning_rate" : DENOISER_ALONE;
            return new KohyaTextRates(key, "learning_rate", common == 0 ? null : Double.valueOf(common));
        }
        double first = given.get(0);
        if (given.stream().anyMatch(rate -> rate != first)) {
            String module = options.text("network_module", "").toLowerCase(Locale.ROOT);
            if (SEVERAL.contains(module) && !Boolean.FALSE.equals(xl)) {
                throw options.refused(KEY);
            }
            options.findings().note("of the rates of `%s` the first counts, as there".formatted(KEY));
        }
        return new KohyaTextRates(KEY, KEY, first == 0 ? null : Double.valueOf(first));
    }

    private static List<Double> given(Options options) {
        List<Double> rates = new ArrayList<>();
        for (String text : options.texts(KEY)) {
            if (!text.isBlank()) {
                try {
                    rates.add(new BigDecimal(text.strip()).doubleValue());
                } catch (NumberFormatException e) {
                    throw options.wrong(KEY, "be a number");
                }
            }
        }
        return rates;
    }
}
