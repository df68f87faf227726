import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.util.Properties;
import java.util.StringJoiner;

/** For each line, a text as hexadecimal UTF-16, prints as JSON what Properties.load made of it; null if it refused. */
public class PropertiesReader {
    public static void main(String[] arguments) throws IOException {
        var in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            System.out.println(answer(text(line)));
            System.out.flush();
        }
    }

    private static String answer(String text) throws IOException {
        var found = new Properties();
        try {
            found.load(new StringReader(text));
        } catch (IllegalArgumentException malformed) {
            return "null";
        }
        var pairs = new StringJoiner(",", "{", "}");
        for (var name : found.stringPropertyNames()) {
            pairs.add(json(name) + ":" + json(found.getProperty(name)));
        }
        return pairs.toString();
    }

    private static String text(String hex) {
        var text = new StringBuilder();
        for (int i = 0; i < hex.length(); i += 4) {
            text.append((char) Integer.parseInt(hex.substring(i, i + 4), 16));
        }
        return text.toString();
    }

    private static String json(String text) {
        var json = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            json.append(String.format("\\u%04x", (int) c));
        }
        return json.append('"').toString();
    }
}
