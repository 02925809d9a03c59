package training.lora.local.demo;

import io.fabric8.kubernetes.client.KubernetesClientException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import training.lora.api.ProcessLocale;

/** The command line of ./demo. */
@Command(
        name = "demo",
        mixinStandardHelpOptions = true,
        description = "Trains a LoRA through the operator, on a small cluster that lives in this process.",
        subcommands = {RunCommand.class, UpCommand.class, ServeCommand.class, ApplyCommand.class, DownCommand.class})
final class Demo {
    private Demo() {}

    public static void main(String[] arguments) {
        ProcessLocale.makeNeutral();
        String problem = ProcessLocale.problem();
        if (problem != null) {
            System.err.println("demo: " + problem);
            System.exit(1);
        }
        // Else a proxy that the machine's environment names would be asked for loopback addresses.
        System.setProperty("no.proxy", "127.0.0.1,localhost");
        System.exit(execute(arguments));
    }

    static int execute(String... arguments) {
        CommandLine line = new CommandLine(new Demo());
        line.setExecutionExceptionHandler((e, command, result) -> {
            // What an API server refuses it says in a sentence of its own.
            boolean isRefusal = e instanceof KubernetesClientException k && k.getStatus() != null;
            String sentence = isRefusal
                    ? ((KubernetesClientException) e).getStatus().getMessage()
                    : e instanceof DemoException ? e.getMessage() : e.toString();
            command.getErr().println("demo: " + sentence);
            return 1;
        });
        boolean isCommand = arguments.length > 0
                && (arguments[0].startsWith("-") || line.getSubcommands().containsKey(arguments[0]));
        if (isCommand) {
            return line.execute(arguments);
        }
        String[] run = new String[arguments.length + 1];
        run[0] = "run";
        System.arraycopy(arguments, 0, run, 1, arguments.length);
        return line.execute(run);
    }
}
