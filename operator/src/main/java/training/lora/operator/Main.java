package training.lora.operator;

import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.annotations.QuarkusMain;
import training.lora.api.ProcessLocale;

/** The operator's process. */
@QuarkusMain
public final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        ProcessLocale.makeNeutral();
        Quarkus.run(arguments);
    }
}
